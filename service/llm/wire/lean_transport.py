"""The lean client: geventhttpclient's parser on kept connections, without an object per token."""

import gevent

from service.errors import UpstreamError
from service.llm.pace import Pace
from service.llm.wire.connections import Server
from service.llm.wire.exchange import RECEIVE_BYTES, Exchange
from service.llm.wire.question import Question
from service.llm.wire.response import Response
from service.llm.wire.transport import Arrived, of_connection, of_opening

# a server that drips single bytes finds each of them read at once: no more than this without a look at the others
MOST_READS = 32


class LeanTransport:
    def __init__(self, server: Server, question: Question, tick_seconds: float, pace: Pace) -> None:
        target, body = question.target, question.body

        def request(sent_before: int) -> bytes:
            return server.request("POST", target, body, question.headers(sent_before))

        self._exchange = Exchange(server.connections, request, tick_seconds)
        self._response = Response()
        self._pace = pace
        self._reads = 0
        self._read_bytes = 0

    def receive(self, *, spoke: bool) -> Arrived | None:
        self._give_way(spoke=spoke)
        try:
            data = self._exchange.receive()
        except Exception as error:  # noqa: BLE001 - a socket's, a resolver's, or a bug
            translate = of_connection if self._exchange.connected else of_opening
            raise translate(error) from None
        if data is None:
            return None
        self._reads += 1
        self._read_bytes += len(data)
        return self._parsed(data)

    def close(self, *, overrun: bool) -> None:
        self._exchange.end(reusable=self._response.reusable and not overrun)

    def _parsed(self, data: bytes) -> Arrived:
        response = self._response
        body = response.take(data)
        if not data and not response.whole:
            raise UpstreamError(cause="connection: closed")
        return Arrived(body, response.status, response.fields, response.whole)

    def _give_way(self, *, spoke: bool) -> None:
        """A stream that always finds data must let the others run."""
        if self._read_bytes >= RECEIVE_BYTES or self._reads >= MOST_READS:
            self._reads = self._read_bytes = 0
            gevent.sleep(0)
        elif spoke:
            self._pace.wait()
