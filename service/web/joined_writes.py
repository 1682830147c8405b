"""Joins writes of a response that follow each other immediately: each one costs a packet and a system call."""

import contextlib
from typing import Any


class JoinedWrites:
    """Wraps the caller's socket, one of gevent's. A response's head is sent together with what follows it.

    Also loaded in gunicorn's master, before it is patched.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._held = b""
        self._holds = True

    def hold_next(self) -> None:
        """Sends the next write together with the one after it."""
        self._holds = True

    def sendall(self, data: bytes) -> None:
        if self._holds:
            self._holds = False
            self._held += data
            return
        held, self._held = self._held, b""
        self._send(held + data if held else data)

    def sendfile(self, *arguments: Any, **named: Any) -> Any:
        self._send_held()
        return self._client.sendfile(*arguments, **named)

    def end(self) -> None:
        """Sends what is still held; errors of a caller who has gone do not matter."""
        with contextlib.suppress(OSError):
            self._send_held()

    def _send_held(self) -> None:
        held, self._held, self._holds = self._held, b"", False
        if held:
            self._send(held)

    def _send(self, data: bytes) -> None:
        """What fits into the socket's buffer, nearly always all, without what sendall() prepares for the rest."""
        try:
            sent = self._client.send(data, 0, 0.0)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._client.sendall(data[sent:])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)
