"""Rewrites the heads of responses as the parser wants them: it rejects lines that end in a bare LF, folded ones, a
length beside chunks, and a repeated length.

Old servers and scripts write such heads, and every browser reads them.
"""

import re

START = b"HTTP/"
BLANK_LINE = re.compile(rb"\r?\n\r?\n")
INTERIM = re.compile(rb"HTTP/1\.[01] 1\d\d\b")
STRICT_END = b"\r\n\r\n"
LAX = re.compile(rb"(?<!\r)\n|\n[ \t]")
FOLD = re.compile(rb"\r?\n[ \t]+")
LINE_END = re.compile(rb"\r?\n")
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked[ \t]*\r", re.IGNORECASE)
LENGTH = re.compile(rb"\r\ncontent-length:([^\r\n]*)", re.IGNORECASE)


class Heads:
    """take() returns complete heads and what follows the last one. lax: a head was rewritten."""

    def __init__(self) -> None:
        self.lax = False
        self._held = b""

    def take(self, data: bytes) -> bytes:
        """Keeps a head that is not complete."""
        searched = max(0, len(self._held) - 3)
        held, self._held = self._held + data, b""
        if _begins_strictly(held):
            return held
        ready = []
        while (end := BLANK_LINE.search(held, searched)) is not None:
            head, held, searched = held[: end.end()], held[end.end() :], 0
            ready.append(self._strict(head))
            if not INTERIM.match(head):
                return b"".join((*ready, held))
        if held[: len(START)] == START[: len(held)]:
            self._held, held = held, b""
        return b"".join((*ready, held))

    def _strict(self, head: bytes) -> bytes:
        strict = head
        if LAX.search(head) is not None:
            strict = LINE_END.sub(b"\r\n", FOLD.sub(b" ", head))
        if spare := _spare_lengths(strict):
            strict = LENGTH.sub(b"", strict, count=spare)
        self.lax = self.lax or strict != head
        return strict


def _spare_lengths(head: bytes) -> int:
    """How many to leave out, as RFC 9112 says: beside chunks all of them, and of equal ones all but one."""
    lengths = [value.strip() for value in LENGTH.findall(head)]
    if CHUNKED.search(head) is not None:
        return len(lengths)
    return len(lengths) - 1 if len(set(lengths)) == 1 else 0


def _begins_strictly(data: bytes) -> bool:
    """Whether nothing is to be done, as for nearly every response; this costs much less than to look closely."""
    head = data[: data.find(STRICT_END) + 1]
    if not head or INTERIM.match(head):
        return False
    names = head.lower()
    return (
        head.count(b"\n") == head.count(b"\r\n")
        and b"\n " not in head
        and b"\n\t" not in head
        and names.count(b"\ncontent-length:") + names.count(b"\ntransfer-encoding:") <= 1
    )
