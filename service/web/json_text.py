"""JSON as readable UTF-8: only what breaks some readers is escaped, and numbers have no exponent."""

import json
import math
from decimal import Decimal
from typing import Any

import orjson

# U+0085, U+2028 and U+2029 end a line for some readers; in JSON they occur only in strings
LINE_ENDS = {
    "\u0085".encode(): b"\\u0085",
    "\u2028".encode(): b"\\u2028",
    "\u2029".encode(): b"\\u2029",
}

# with the sign
ORJSON_BITS = 64


def dumps(value: Any) -> bytes:
    """Accepts plain values, decimal numbers and the results of the functions below."""
    try:
        return _escaped(orjson.dumps(value, default=_written_out))
    except TypeError:
        return _escaped(orjson.dumps(_spelt_out(value), default=_written_out))


def _written_out(value: Any) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(f"{value:f}".encode())
    raise TypeError(type(value).__name__)


def _spelt_out(value: Any) -> Any:
    """With what orjson refuses already written: halves of characters, and numbers of more than 64 bits."""
    if isinstance(value, dict):
        return orjson.Fragment(b"{%b}" % b",".join(map(_member, value.items())))
    if isinstance(value, list | tuple):
        return [_spelt_out(part) for part in value]
    if isinstance(value, int) and value.bit_length() >= ORJSON_BITS:
        return orjson.Fragment(str(value).encode())
    return quoted(value) if isinstance(value, str) else value


def _member(pair: tuple[Any, Any]) -> bytes:
    name, value = pair
    return quoted_bytes(str(name)) + b":" + orjson.dumps(_spelt_out(value), default=_written_out)


def quoted(text: str) -> orjson.Fragment:
    """For any text: it may contain halves of surrogate pairs."""
    return orjson.Fragment(quoted_bytes(text))


def quoted_bytes(text: str) -> bytes:
    try:
        return _escaped(orjson.dumps(text))
    except orjson.JSONEncodeError:
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return _escaped(b'"%b"' % b"".join(map(_character, whole)))


def _character(character: str) -> bytes:
    if "\ud800" <= character <= "\udfff":
        return json.dumps(character)[1:-1].encode()
    return orjson.dumps(character)[1:-1]


def number(value: float | None) -> orjson.Fragment | None:
    """Without an exponent: 0.00000315, not 3.15e-06. Raises ValueError for NaN and infinity."""
    if value is None:
        return None
    if not math.isfinite(value):
        raise ValueError(value)
    return orjson.Fragment(f"{Decimal(str(value)):f}".encode())


def _escaped(text: bytes) -> bytes:
    if b"\xc2\x85" in text or b"\xe2\x80" in text:
        for character, escape in LINE_ENDS.items():
            text = text.replace(character, escape)
    return text


class Halves:
    """Joins the halves of surrogate pairs that arrive separately."""

    def __init__(self) -> None:
        self._held = ""

    def join(self, text: str) -> str:
        """The text, without a trailing half, which is kept until the other one arrives."""
        if self._held:
            text = self.rest() + text
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._held, text = text[-1], text[:-1]
        return text

    def rest(self) -> str:
        held, self._held = self._held, ""
        return held
