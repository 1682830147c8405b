"""A model server that writes exactly the bytes a test gives it, as servers with OpenAI's API do.

with ModelServer() as server:
    server.says(stream(text("Hello"), fin("stop"), DONE))
    ...
    server.bodies[0]["messages"]
"""

import json
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from tests.support.upstream import STREAM_HEAD, Request, Upstream, chunk, whole

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 7, "completion_tokens": 2}

# bytes are written, numbers are pauses in seconds, a callable gets the connection
Piece = bytes | float | Callable[[socket.socket], None]
Reply = Iterable[Piece]


def frame(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def choice(delta: Any, finish_reason: Any = None, **more: Any) -> bytes:
    return frame(
        {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason, **more}]}
    )


def text(content: Any, finish_reason: Any = None) -> bytes:
    return choice({"content": content}, finish_reason)


def thinks(reasoning: str, field: str = "reasoning_content") -> bytes:
    return choice({field: reasoning})


def fin(reason: Any) -> bytes:
    return choice({}, reason)


def usage(**counts: Any) -> bytes:
    return frame({"choices": [], "usage": counts})


def stream(*pieces: Piece, head: bytes = STREAM_HEAD, end: bool = True) -> list[Piece]:
    """A chunked event stream; without end its body is left open."""
    body = [chunk(piece) if isinstance(piece, bytes) else piece for piece in pieces]
    return [head, *body, *([chunk(b"")] if end else [])]


def answers(words: str = "Hello", reason: str = "stop") -> list[Piece]:
    """The answer of an ordinary server."""
    return stream(text(words), fin(reason), usage(**USAGE), DONE)


def refuses(status: int, body: Any, **headers: str) -> list[Piece]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return [whole(status, content, **headers)]


class ModelServer(Upstream):
    """Each question gets the next reply; the last one is repeated. There is no list of models."""

    def __init__(self, *replies: Reply, tls: ssl.SSLContext | None = None) -> None:
        self._replies: deque[list[Piece]] = deque()
        self._choose: Callable[[Any], Reply] | None = None
        super().__init__(self._reply, tls=tls)
        self.says(*replies)

    @property
    def base_url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.address}/v1"

    @property
    def bodies(self) -> list[Any]:
        """What was asked, parsed, since the replies were set."""
        return [json.loads(asked.body) for asked in self.requests if asked.method == "POST"]

    def says(self, *replies: Reply) -> None:
        """From now on (nothing: an ordinary answer); what was asked before is forgotten."""
        self._choose = None
        self._replies = deque(list(reply) for reply in replies or [answers()])
        self.requests.clear()

    def answers_by(self, choose: Callable[[Any], Reply]) -> None:
        """From now on each question's body decides."""
        self.says()
        self._choose = choose

    def _reply(self, request: Request, connection: socket.socket) -> None:
        if request.method != "POST":
            connection.sendall(whole(404, b"{}"))
            return
        for piece in self._next(request):
            if isinstance(piece, bytes):
                connection.sendall(piece)
            elif callable(piece):
                piece(connection)
            else:
                time.sleep(piece)

    def _next(self, request: Request) -> Reply:
        if self._choose is not None:
            return self._choose(json.loads(request.body))
        return self._replies.popleft() if len(self._replies) > 1 else self._replies[0]
