"""The lean client: geventhttpclient's parser on kept connections, without an object per token."""

from service.errors import UpstreamError
from service.llm.pace import LONGEST_SECONDS, Pace
from service.llm.wire.connections import Server
from service.llm.wire.exchange import RECEIVE_BYTES, Exchange
from service.llm.wire.give_way import GiveWay
from service.llm.wire.question import Question
from service.llm.wire.response import Response
from service.llm.wire.transport import Arrived, of_connection, of_opening


class LeanTransport:
    def __init__(self, server: Server, question: Question, tick_seconds: float, pace: Pace) -> None:
        target, body = question.target, question.body

        def request(sent_before: int) -> bytes:
            return server.request("POST", target, body, question.headers(sent_before))

        self._exchange = Exchange(server.connections, request, tick_seconds)
        self._response = Response()
        self._pace = pace
        self._paced = False
        self._slow = False
        self._others = GiveWay()

    @property
    def sent(self) -> bool:
        return self._exchange.sent

    def receive(self, *, spoke: bool) -> Arrived | None:
        if self._response.failed:
            return self._parsed(b"")
        if spoke and not self._paced:
            self._paced = True
            self._pace.streams += 1
        # pacing gains nothing for a stream that is slower than the pace
        if not self._others.wait() and spoke and not self._slow:
            self._pace.wait()
        began = self._pace.now()
        try:
            data = self._exchange.receive(slow=self._slow)
        except Exception as error:  # noqa: BLE001 - a socket's, a resolver's, or a bug
            translate = of_connection if self._exchange.connected else of_opening
            raise translate(error) from None
        if data is None:
            return None
        late = self._pace.now() - began > LONGEST_SECONDS
        # more may wait in a buffer of TLS, which no watcher sees
        self._slow = late and len(data) < RECEIVE_BYTES
        self._others.took(len(data))
        return self._parsed(data)

    def close(self, *, overrun: bool) -> None:
        if self._paced:
            self._paced = False
            self._pace.streams -= 1
        self._exchange.end(reusable=self._response.reusable and not overrun)

    def _parsed(self, data: bytes) -> Arrived:
        response = self._response
        body = response.take(data)
        if not data and not response.whole:
            raise UpstreamError(cause="connection closed")
        return Arrived(body, response.status, response.fields, response.whole)
