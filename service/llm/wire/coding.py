"""Decodes bodies that are compressed although we did not ask for it: gzip, deflate, and brotli if installed."""

import importlib
import zlib
from typing import Any, Protocol

from service.errors import UpstreamError

# a limit per read: a few compressed bytes could otherwise fill the memory
MOST_BYTES = 8 * 1024 * 1024
# one on the other
MOST_CODINGS = 3
COMPRESSED = frozenset(
    {"br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip"}
)
GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
RAW = -zlib.MAX_WBITS
# first bytes of JSON and event streams, but not of gzip
TEXT = frozenset({b"{", b"[", b"d", b":", b"e", b"\n", b"\r", b"<"})


class Decoder(Protocol):
    def decode(self, data: bytes) -> bytes: ...


def decoder_for(codings: str) -> Decoder | None:
    """Of a Content-Encoding; None where there is nothing to decode. Raises UpstreamError for one that is unknown."""
    names = [name.strip().lower() for name in codings.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if not names:
        return None
    if len(names) > MOST_CODINGS:
        raise UpstreamError(cause="malformed: content coding")
    steps = [_decoder(name) for name in reversed(names)]
    return steps[0] if len(steps) == 1 else _InTurn(steps)


def _decoder(name: str) -> Decoder:
    if name in ("gzip", "x-gzip"):
        return _Zlib(perhaps_plain=True)
    if name == "deflate":
        return _Zlib()
    if name == "br" and (brotli := _library("brotli")) is not None:
        return _Brotli(brotli)
    if name in COMPRESSED:
        raise UpstreamError(cause="malformed: unknown content coding")
    # not a coding at all, such as utf-8
    return _Plain()


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


class _InTurn:
    def __init__(self, steps: list[Decoder]) -> None:
        self._steps = steps

    def decode(self, data: bytes) -> bytes:
        for step in self._steps:
            data = step.decode(data)
        return data


class _Plain:
    def decode(self, data: bytes) -> bytes:
        return data


class _Zlib:
    """gzip in one or several members, both kinds of deflate, and bodies that a proxy decoded without saying so."""

    def __init__(self, *, perhaps_plain: bool = False) -> None:
        self._perhaps_plain = perhaps_plain
        self._plain = False
        self._inflate = zlib.decompressobj(GZIP_OR_ZLIB)
        self._begun = False

    def decode(self, data: bytes) -> bytes:
        if self._perhaps_plain and data:
            self._perhaps_plain, self._plain = False, data[:1] in TEXT
        if self._plain:
            return data
        try:
            return self._decode(data)
        except zlib.error:
            raise UpstreamError(cause="malformed: content coding") from None

    def _decode(self, data: bytes) -> bytes:
        pieces, left = [], MOST_BYTES
        # of as many gzip members as there are in it
        while data:
            piece = self._inflated(data, left)
            left -= len(piece)
            if self._inflate.unconsumed_tail or left <= 0:
                raise UpstreamError(cause="malformed: content coding")
            pieces.append(piece)
            if not self._inflate.eof:
                break
            data = self._inflate.unused_data.lstrip(b"\0")
            self._inflate, self._begun = zlib.decompressobj(GZIP_OR_ZLIB), False
        return b"".join(pieces)

    def _inflated(self, data: bytes, most: int) -> bytes:
        try:
            piece = self._inflate.decompress(data, most)
        except zlib.error:
            if self._begun:
                raise
            # raw deflate, without the zlib header
            self._inflate = zlib.decompressobj(RAW)
            piece = self._inflate.decompress(data, most)
        self._begun = True
        return piece


class _Brotli:
    def __init__(self, library: Any) -> None:
        self._inflate = library.Decompressor()
        self._error = library.error

    def decode(self, data: bytes) -> bytes:
        try:
            decoded: bytes = self._inflate.process(data, output_buffer_limit=MOST_BYTES)
        except self._error:
            raise UpstreamError(cause="malformed: content coding") from None
        if not self._inflate.can_accept_more_data():
            raise UpstreamError(cause="malformed: content coding")
        return decoded
