"""The openai package as a transport (LLM_CLIENT=stock): it delivers the same bytes to the same reader."""

import contextlib
import json
from collections.abc import Mapping
from typing import Any

import gevent
import httpx2
import openai
from gevent.queue import Empty, Queue

from service.errors import ChatError, UpstreamTimeout
from service.llm.failures import translate
from service.llm.wire.give_way import GiveWay
from service.llm.wire.question import Question
from service.llm.wire.reading import MOST_REFUSAL_BYTES
from service.llm.wire.stock_http import TARGET
from service.llm.wire.transport import Arrived, cause_of, failed_connection

# larger mailboxes let a busy stream block the loop
MAILBOX_PIECES = 8
POLL_SECONDS = 0.001
# a refusal whose body does not come, or breaks off, is what its status says
REFUSAL_SECONDS = 2.0
# written by the package itself
ITS_OWN = frozenset({"model", "messages", "stream"})


class Refused(Exception):
    """A response that is not an answer. The package would read it completely, however long it is."""

    def __init__(self, response: Arrived) -> None:
        super().__init__(response.status)
        self.response = response


def refuse(response: Any) -> None:
    """A hook of the package's HTTP client. Raises Refused."""
    if response.is_success:
        return
    body = b""
    with (
        contextlib.suppress(httpx2.TransportError),
        gevent.Timeout(REFUSAL_SECONDS, exception=False),
    ):
        for data in response.iter_raw():
            body += data
            if len(body) >= MOST_REFUSAL_BYTES:
                break
    raise Refused(Arrived(body, response.status_code, _lower(response.headers), over=True))


class StockTransport:
    """The request runs in a greenlet, because none of its steps ticks; close() cancels it at any point."""

    def __init__(
        self,
        client: openai.OpenAI,
        headers: Mapping[str, Any],
        question: Question,
        tick_seconds: float,
    ) -> None:
        self._tick_seconds = tick_seconds
        self._mailbox: Queue[Arrived | ChatError] = Queue(MAILBOX_PIECES)
        self._others = GiveWay()
        self.sent = False
        self._producer = gevent.spawn(_produce, client, headers, question, self._mailbox)

    def receive(self, *, spoke: bool) -> Arrived | None:  # noqa: ARG002 - the mailbox sets the pace
        self._others.wait()
        try:
            item = self._mailbox.get(timeout=self._tick_seconds)
        except Empty:
            # our loop may be late, and data already in the kernel counts as arrived: let the producer run first.
            # After SIGCONT, timers fire before sockets are polled: sleep once, so that data is read first.
            gevent.sleep(POLL_SECONDS)
            gevent.sleep(0)
            try:
                item = self._mailbox.get_nowait()
            except Empty:
                # a successful connect takes less than a tick
                self.sent = True
                return None
        if isinstance(item, ChatError):
            raise item
        return self._with_more(item)

    def close(self, *, overrun: bool) -> None:  # noqa: ARG002 - no connection is kept
        self._producer.kill(block=False)

    def _with_more(self, item: Arrived) -> Arrived:
        """Everything that has arrived, in one piece."""
        bodies = [item.body]
        while not item.over and isinstance(self._peeked(), Arrived):
            more = self._mailbox.get_nowait()
            bodies.append(more.body)
            item.over = more.over
        item.body = b"".join(bodies)
        self._others.took(len(item.body))
        return item

    def _peeked(self) -> Arrived | ChatError | None:
        return None if self._mailbox.empty() else self._mailbox.peek_nowait()


def _produce(
    client: openai.OpenAI,
    headers: Mapping[str, Any],
    question: Question,
    mailbox: "Queue[Arrived | ChatError]",
) -> None:
    try:
        _ask(client, headers, question, mailbox)
    except Refused as refused:
        mailbox.put(refused.response)
    except Exception as error:  # noqa: BLE001 - it is translated and raised in the reader
        mailbox.put(_failed(error))


def _failed(error: Exception) -> ChatError:
    """While the body is being read, the package passes on errors of its HTTP library unchanged."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "TimeoutException" in kinds:
        return UpstreamTimeout(cause=cause_of(error))
    if "TransportError" in kinds:
        return failed_connection(error)
    return translate(error)


def _ask(
    client: openai.OpenAI,
    headers: Mapping[str, Any],
    question: Question,
    mailbox: "Queue[Arrived | ChatError]",
) -> None:
    payload = json.loads(question.body)
    more = {name: value for name, value in payload.items() if name not in ITS_OWN}
    with client.chat.completions.with_streaming_response.create(
        model=payload["model"],
        messages=payload["messages"],
        stream=payload["stream"],
        extra_body=more,
        extra_headers={**headers, **question.headers(0), TARGET: question.target},
    ) as response:
        raw: Any = response.http_response
        status, told = raw.status_code, _lower(raw.headers)
        mailbox.put(Arrived(b"", status, told))
        for data in raw.iter_raw():
            mailbox.put(Arrived(data, status, told))
        mailbox.put(Arrived(b"", status, told, over=True))


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
