"""A refusal that concerns a parameter, as data: asking differently may work."""

from dataclasses import dataclass
from typing import Literal

from service.errors import ContextTooLong, Detail, UpstreamInvalidRequest

# unsupported: the parameter is not accepted under this name; value: its value is not accepted
Reason = Literal["unsupported", "value"]


@dataclass(frozen=True, slots=True)
class RefusedParameter:
    """name: as in requests ("system" for that role). allowed_max: the largest accepted value, if the server says so.

    instead: the parameter that the server wants in place of this one.
    """

    name: str
    reason: Reason
    allowed_max: int | None = None
    instead: str | None = None


@dataclass(frozen=True, slots=True)
class Overflow:
    """What the server said about its context window, in tokens; None if it did not say.

    requested: prompt and answer together. prompt: only the input.
    """

    window: int | None = None
    requested: int | None = None
    prompt: int | None = None


class ParameterRefused(UpstreamInvalidRequest):
    """The server names the parameter that it does not accept."""

    def __init__(self, refused: RefusedParameter, *, cause: str | None = None) -> None:
        super().__init__(details=_details(refused), cause=cause)
        self.refused = refused


class WindowExceeded(ContextTooLong):
    """Carries what the server said about its window."""

    def __init__(self, overflow: Overflow, *, cause: str | None = None) -> None:
        super().__init__(cause=cause)
        self.overflow = overflow


# only fields of the caller's request are passed on
CALLERS_FIELDS = {
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "system": "system",
    "stop": "stop",
}


def _details(refused: RefusedParameter) -> tuple[Detail, ...]:
    field = CALLERS_FIELDS.get(refused.name)
    if field is None:
        return ()
    if refused.allowed_max is not None:
        return (Detail(field, f"must be at most {refused.allowed_max} for this model"),)
    if refused.reason == "value":
        return (Detail(field, "has a value that this model does not accept"),)
    return (Detail(field, "is not supported by this model"),)
