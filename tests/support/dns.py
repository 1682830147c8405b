"""A DNS server that knows one name, and whose answer a test can change at any time."""

import contextlib
import ipaddress
import socket
import struct
import threading
from types import TracebackType
from typing import Self

ANSWER, NOT_FOUND = 0x8180, 0x8183
A_RECORD, INTERNET = 1, 1
TTL_SECONDS = 600


class Dns:
    """addresses: what every question is answered with; none: there is no such name."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                query, peer = self._socket.recvfrom(512)
                if not query:
                    return
                self._socket.sendto(self._reply(query), peer)

    def _reply(self, query: bytes) -> bytes:
        question_end = query.index(b"\0", 12) + 5
        flags = ANSWER if self.addresses else NOT_FOUND
        head = query[:2] + struct.pack("!HHHHH", flags, 1, len(self.addresses), 0, 0)
        # each answer's name points at the question's
        records = [
            struct.pack("!HHHIH", 0xC00C, A_RECORD, INTERNET, TTL_SECONDS, 4)
            + ipaddress.IPv4Address(address).packed
            for address in self.addresses
        ]
        return head + query[12:question_end] + b"".join(records)
