"""Rewrites the heads of responses as the parsers want them: they reject lines that end in a bare LF, folded ones, a
length beside chunks, a repeated length or coding, and the coding "identity".

Old servers and scripts write such heads, and every browser reads them.
"""

import re

START = b"HTTP/"
BLANK_LINE = re.compile(rb"\r?\n\r?\n")
INTERIM = re.compile(rb"HTTP/1\.[01] 1\d\d\b")
STRICT_LINE_END = b"\r\n"
STRICT_END = b"\r\n\r\n"
LAX = re.compile(rb"(?<!\r)\n|\n[ \t]")
FOLD = re.compile(rb"\r?\n[ \t]+")
LINE_END = re.compile(rb"\r?\n")
CODING = re.compile(rb"\r\ntransfer-encoding:([^\r\n]*)", re.IGNORECASE)
PLAIN_CODINGS = frozenset({b"chunked", b"identity", b""})
PLAIN_FRAMING = re.compile(
    rb"\n(?:content-length:[ \t]*\d+|transfer-encoding:[ \t]*chunked)[ \t]*\r"
)
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
            strict = LINE_END.sub(STRICT_LINE_END, FOLD.sub(b" ", head))
        strict = _with_one_framing(strict)
        self.lax = self.lax or strict != head
        return strict


def _with_one_framing(head: bytes) -> bytes:
    """As RFC 9112 says: no length beside chunks, and one of several that are equal.

    No sender may write `chunked` twice. Some do, and have cut the body into chunks once.
    """
    codings, lengths = _values(CODING, head), _values(LENGTH, head)
    if codings != [b"chunked"] and PLAIN_CODINGS.issuperset(codings):
        head = _only(CODING, head, b"Transfer-Encoding: chunked" if b"chunked" in codings else b"")
    if b"chunked" in codings:
        return LENGTH.sub(b"", head)
    if len(lengths) > 1 and len(set(lengths)) == 1:
        return _only(LENGTH, head, b"Content-Length: " + lengths[0])
    return head


def _values(field: re.Pattern[bytes], head: bytes) -> list[bytes]:
    return [
        value.strip().lower() for line in field.findall(head) for value in bytes(line).split(b",")
    ]


def _only(field: re.Pattern[bytes], head: bytes, instead: bytes) -> bytes:
    """Puts this line, if it is one, in place of all of the field's."""
    status_end = STRICT_LINE_END + instead if instead else b""
    return field.sub(b"", head).replace(STRICT_LINE_END, status_end + STRICT_LINE_END, 1)


def _begins_strictly(data: bytes) -> bool:
    """Whether nothing is to be done, as for nearly every response; this costs much less than to look closely."""
    head = data[: data.find(STRICT_END) + 1]
    if not head or INTERIM.match(head):
        return False
    names = head.lower()
    framings = names.count(b"\ncontent-length:") + names.count(b"\ntransfer-encoding:")
    return (
        head.count(b"\n") == head.count(b"\r\n")
        and b"\n " not in head
        and b"\n\t" not in head
        and (framings == 0 or (framings == 1 and PLAIN_FRAMING.search(names) is not None))
    )
