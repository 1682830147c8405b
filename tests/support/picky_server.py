"""A model server that answers or refuses by what it is asked.

with PickyServer() as server:
    server.rule = lambda asked: refuses(400, {...}) if "temperature" in asked else None
"""

import json
import socket
from collections.abc import Callable, Iterable
from typing import Any

from tests.support.model_server import Piece, answers
from tests.support.upstream import Request, Upstream, whole

Rule = Callable[[Any], Iterable[Piece] | None]


def _takes_all(_asked: Any) -> None:
    return None


class PickyServer(Upstream):
    """rule: the reply to a parsed question; None: an ordinary answer."""

    def __init__(self) -> None:
        self.rule: Rule = _takes_all
        super().__init__(self._reply)

    @property
    def base_url(self) -> str:
        return f"http://{self.address}/v1"

    def begin(self, rule: Rule = _takes_all) -> None:
        """A rule from now on; what was asked before is forgotten."""
        self.rule = rule
        self.requests.clear()

    @property
    def questions(self) -> list[Request]:
        return [request for request in self.requests if request.method == "POST"]

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.body) for request in self.questions]

    def _reply(self, request: Request, connection: socket.socket) -> None:
        if request.method != "POST":
            connection.sendall(whole(404, b"{}"))
            return
        reply = self.rule(json.loads(request.body))
        for piece in answers() if reply is None else reply:
            assert isinstance(piece, bytes)
            connection.sendall(piece)
