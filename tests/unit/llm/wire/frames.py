"""Frames as servers write them, and what a reader makes of bytes in pieces."""

from itertools import pairwise
from typing import NamedTuple

from service.errors import ChatError
from service.llm.wire.frames import FrameReader


class Heard(NamedTuple):
    """All that a stream said. error: the code it ended with, None for none."""

    text: str = ""
    finish_reason: str | None = None
    thinking: str = ""
    usage: object = None
    error: str | None = None
    provisional: bool = False
    tool_calls: tuple = ()


def heard(pieces, *, whole=True, **options):
    """What a call would make of it: content after a finish reason means that it was none."""
    reader = FrameReader(**options)
    text, thinking, reason, usage, provisional, calls = "", "", None, None, False, []
    error = None
    try:
        for chunk in chunks(reader, pieces, whole):
            text += chunk.text
            thinking += chunk.thinking
            calls += chunk.tool_calls
            usage = chunk.usage or usage
            if chunk.text or chunk.thinking or chunk.tool_calls or chunk.finish_reason:
                reason, provisional = chunk.finish_reason, chunk.provisional
    except ChatError as failure:
        error = failure.code
    return Heard(text, reason, thinking, usage, error, provisional, tuple(map(repr, calls)))


def chunks(reader, pieces, whole):
    for piece in pieces:
        if (chunk := reader.read(piece)) is not None:
            yield chunk
        if reader.failed:
            reader.read(b"")
        if reader.done:
            return
    if (chunk := reader.end(whole=whole)) is not None:
        yield chunk
    if reader.failed:
        reader.read(b"")


def cut(data, places):
    edges = [0, *sorted({place % len(data) for place in places}), len(data)]
    return [data[one:other] for one, other in pairwise(edges)]


def bytewise(data):
    return [data[place : place + 1] for place in range(len(data))]
