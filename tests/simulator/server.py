"""The simulator: a listener, its connections, and who answers which path."""

import socket
import ssl
import threading
import time
from typing import Self

from tests.simulator.chat import Chat
from tests.simulator.connection import Connection
from tests.simulator.control import Control
from tests.simulator.dialects import FRAMES
from tests.simulator.frames import json_response
from tests.simulator.http_request import Request
from tests.simulator.listener import Listener
from tests.simulator.loop import Loop
from tests.simulator.playback import Playback
from tests.simulator.record import Record, RequestRecord
from tests.simulator.refusals import error_body
from tests.simulator.script import Script, reply

_MODELS = ("sim", "gpt-4o-mini", "gpt-4o", *(f"sim-{dialect}" for dialect in FRAMES))


class Simulator:
    """Listens from the start; `run` serves here, `start` in a thread, `stop` ends either."""

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self._loop = Loop()
        self._record = Record()
        self._chat = Chat(self._record)
        self._connections: set[Connection] = set()
        self._control = Control(
            self._loop, self._record, self._chat, self._count_open, self._respond
        )
        self._listener = Listener(host, port, self._loop, tls, self._accept)
        self._thread: threading.Thread | None = None
        self.port = self._listener.port
        shown_host = f"[{host}]" if ":" in host else host
        self.base_url = f"{'https' if tls else 'http'}://{shown_host}:{self.port}/v1"

    def run(self) -> None:
        try:
            self._loop.run(self._control.check_waiters)
        finally:
            self._listener.close()
            for connection in list(self._connections):
                connection.close()
            self._loop.close()

    def start(self) -> None:
        self._thread = threading.Thread(target=self.run, name="simulator", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._loop.stop()
        if self._thread is not None:
            self._thread.join()

    def _accept(self, sock: socket.socket) -> None:
        number = self._record.count_connection()
        self._connections.add(
            Connection(sock, number, self._loop, self._handle, self._connections.discard)
        )

    def _count_open(self) -> int:
        return sum(not connection.is_control for connection in self._connections)

    def _handle(self, connection: Connection, request: Request) -> None:
        if request.path.startswith("/simulator/"):
            self._leave_out(connection)
            self._control.handle(connection, request)
        elif (request.method, request.path) == ("POST", "/v1/chat/completions"):
            record, script = self._chat.answer(request, connection.number)
            self._play(connection, request, script, record)
        elif (request.method, request.path) == ("GET", "/v1/models"):
            self._respond(connection, request, 200, _models())
        else:
            message = f"Invalid URL ({request.method} {request.path})"
            body = error_body(message, error_type="invalid_request_error")
            self._respond(connection, request, 404, body)

    def _leave_out(self, connection: Connection) -> None:
        """Who only asks what the simulator saw is not part of what it saw."""
        if not connection.is_control:
            connection.is_control = True
            self._record.leave_out_connection(connection.number)

    def _respond(self, connection: Connection, request: Request, status: int, body: object) -> None:
        headers = {} if request.keeps_alive else {"Connection": "close"}
        self._play(connection, request, reply(json_response(status, body, headers)), None)

    def _play(
        self,
        connection: Connection,
        request: Request,
        script: Script,
        record: RequestRecord | None,
    ) -> None:
        Playback(self._loop, connection, script, record, keeps_alive=request.keeps_alive)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _models() -> dict[str, object]:
    created = int(time.time())
    models = [
        {"id": name, "object": "model", "created": created, "owned_by": "simulator"}
        for name in _MODELS
    ]
    return {"object": "list", "data": models}
