"""ChatOpenAI without its cost per token: every frame that has arrived is read in one go, and parsed without objects.

It ticks by itself, so that one greenlet serves a stream. Within any other chain it is a ChatOpenAI like any other; what
goes beyond text (tools, response formats, a server's own parameters) is left to ChatOpenAI itself.
"""

import contextlib
import ssl
from collections.abc import Iterator
from typing import Any

import gevent
import orjson
from geventhttpclient.response import HTTPParseError, HTTPResponse
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk
from pydantic import PrivateAttr

from service.chat.events import TICK, Chunk, Tick, Usage
from service.errors import UpstreamError
from service.llm.connections import Server
from service.llm.failures import of_connection, of_opening, refused
from service.llm.frames import FrameReader
from service.llm.pace import Pace
from service.llm.stock import StockChatOpenAI

# a larger buffer is mapped again for each read, which costs more than the read
RECEIVE_BYTES = 65536
MOST_REFUSAL_BYTES = 65536
NOTHING_YET = (TimeoutError, BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
BEYOND_TEXT = frozenset({"tools", "functions", "response_format", "extra_body", "extra_query"})


class _Answer(HTTPResponse):
    """Collects what the parser finds of the body."""

    def __init__(self) -> None:
        super().__init__("POST")
        self._parts: list[bytes] = []

    @property
    def whole(self) -> bool:
        """Interim answers (1xx) are messages of their own: the real one is on its way."""
        return self.message_complete and self.status_code >= 200

    def _on_body(self, buf: bytearray) -> None:
        self._parts.append(bytes(buf))

    def take(self) -> bytes:
        """The body since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


class LeanStream:
    """One request. Each next returns all that has come, or TICK; close() cancels it at once."""

    def __init__(self, server: Server, request: bytes, tick_seconds: float, pace: Pace) -> None:
        self._server = server
        self._tick_seconds = tick_seconds
        self._pace = pace
        self._socket: Any = None
        self._answer = _Answer()
        self._refusal = b""
        self._frames = FrameReader()
        self._spoke = False
        self._more = False
        self._closed = False
        self._error: Exception | None = None
        # DNS, connect and TLS can take long, and none of them ticks
        self._opening: Any = gevent.spawn(self._open, request)

    def __iter__(self) -> "LeanStream":
        return self

    def __next__(self) -> Chunk | Tick:
        if self._opening is not None and not self._opened():
            return TICK
        if self._frames.failed:
            self._frames.read(b"")
        if self._answer.whole and not self._refusal:
            raise StopIteration
        self._give_way()
        try:
            data = self._receive()
        except OSError as error:
            raise of_connection(error) from None
        return TICK if data is None else self._parsed(data)

    def close(self) -> None:
        self._closed = True
        if self._opening is not None:
            self._opening.kill(block=False)
        self._let_go()

    def _open(self, request: bytes) -> None:
        try:
            sock = self._server.pool.get_socket()
            if self._closed:
                self._server.pool.release_socket(sock)
                return
            self._socket = sock
            # a long conversation takes its time; whoever iterates has the deadlines
            sock.settimeout(None)
            sock.sendall(request)
        except Exception as error:  # noqa: BLE001 - it is raised in the reader
            self._error = error

    def _opened(self) -> bool:
        self._opening.join(self._tick_seconds)
        if not self._opening.ready():
            return False
        self._opening = None
        if self._error is not None:
            raise of_opening(self._error)
        return True

    def _give_way(self) -> None:
        """A stream that always finds data must let the others run."""
        if self._more:
            gevent.sleep(0)
        elif self._spoke:
            self._pace.wait()

    def _receive(self) -> bytes | None:
        """What has arrived; None: nothing within a tick. Empty: the connection is closed."""
        data: bytes | None
        try:
            self._socket.settimeout(self._tick_seconds)
            data = self._socket.recv(RECEIVE_BYTES)
        except TimeoutError:
            # our loop may have been late
            data = self._at_hand()
        if data and self._server.secure:
            data += self._rest_at_hand(RECEIVE_BYTES - len(data))
        self._more = data is not None and len(data) >= RECEIVE_BYTES
        return data

    def _at_hand(self) -> bytes | None:
        """What the kernel already holds counts as arrived; None: nothing."""
        self._socket.settimeout(0.0)
        try:
            data: bytes = self._socket.recv(RECEIVE_BYTES)
        except NOTHING_YET:
            return None
        return data

    def _rest_at_hand(self, most_bytes: int) -> bytes:
        """One read of TLS gives one record, and servers make one of each token."""
        data = b""
        # what fails now fails at the next read, when there is nothing left to lose
        with contextlib.suppress(OSError):
            while len(data) < most_bytes and (more := self._at_hand()):
                data += more
        return data

    def _parsed(self, data: bytes) -> Chunk | Tick:
        answer = self._answer
        try:
            answer.feed(data)
        except HTTPParseError:
            raise UpstreamError(cause="malformed: HTTP") from None
        if not data and not answer.whole:
            raise UpstreamError(cause="connection: closed")
        if not answer.headers_complete or answer.status_code < 200:
            return TICK
        body = answer.take()
        if answer.status_code != 200:
            return self._refused(body)
        if answer.message_complete:
            self._let_go()
        chunk = self._frames.read(body) or Chunk()
        self._spoke = self._spoke or bool(chunk.text)
        return chunk

    def _refused(self, body: bytes) -> Tick:
        """Raises once the refusal is there."""
        self._refusal += body
        if not self._answer.message_complete and len(self._refusal) < MOST_REFUSAL_BYTES:
            return TICK
        headers = {name.lower(): value for name, value in self._answer.items()}
        raise refused(self._answer.status_code, _code_of(self._refusal), headers)

    def _let_go(self) -> None:
        """The connection serves the next request if this one was read to its end."""
        sock, self._socket = self._socket, None
        if sock is None:
            return
        if self._answer.whole and not self._answer.should_close():
            self._server.pool.return_socket(sock)
        else:
            self._server.pool.release_socket(sock)


class LeanChatOpenAI(StockChatOpenAI):
    """Chat Completions only; what is not streaming is ChatOpenAI's own."""

    _server: Server = PrivateAttr()
    _tick_seconds: float = PrivateAttr()
    _pace: Pace = PrivateAttr(default_factory=Pace)

    def reads_from(self, server: Server, tick_seconds: float) -> "LeanChatOpenAI":
        self._server = server
        self._tick_seconds = tick_seconds
        return self

    def ticking(self, messages: list[BaseMessage], **options: Any) -> LeanStream | None:
        """The answer as an iterator of Chunks and ticks; None where the answer is more than text."""
        payload = self._get_request_payload(
            messages, stream=True, stream_options={"include_usage": True}, **options
        )
        if BEYOND_TEXT & payload.keys():
            return None
        headers = payload.pop("extra_headers", {})
        request = self._server.request(orjson.dumps(payload), headers)
        return LeanStream(self._server, request, self._tick_seconds, self._pace)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        stream_usage: bool | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        stream = self.ticking(messages, stop=stop, **kwargs)
        if stream is None:
            kwargs["stream_usage"] = stream_usage
            yield from super()._stream(messages, stop, run_manager, **kwargs)
            return
        try:
            for chunk in stream:
                if isinstance(chunk, Chunk):
                    generation = _generation(chunk)
                    if run_manager:
                        run_manager.on_llm_new_token(chunk.text, chunk=generation)
                    yield generation
        finally:
            stream.close()


def _generation(chunk: Chunk) -> ChatGenerationChunk:
    info = {"finish_reason": chunk.finish_reason} if chunk.finish_reason else {}
    message = AIMessageChunk(content=chunk.text, usage_metadata=_metadata(chunk.usage))
    return ChatGenerationChunk(message=message, generation_info=info)


def _metadata(usage: Usage | None) -> UsageMetadata | None:
    if usage is None:
        return None
    return UsageMetadata(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.input_tokens + usage.output_tokens,
        input_token_details={"cache_read": usage.cached_input_tokens or 0},
    )


def _code_of(body: bytes) -> str | None:
    """The code in an error body of OpenAI's shape."""
    try:
        parsed = orjson.loads(body)
        code = parsed.get("error", parsed)["code"]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
    return code if isinstance(code, str) else None
