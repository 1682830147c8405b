"""What a server refuses about how it was asked, as data: asking differently may work."""

from dataclasses import dataclass
from typing import Literal

from service.errors import Detail, UpstreamInvalidRequest

# unsupported: leave it out, or name it differently; value: it is known, but not with this value
Reason = Literal["unsupported", "value"]


@dataclass(frozen=True, slots=True)
class RefusedParameter:
    """name: as the server spells it ("system" for that role). allowed_max: the largest value it takes, if it says so.

    instead: the parameter that it asks for in place of this one.
    """

    name: str
    reason: Reason
    allowed_max: int | None = None
    instead: str | None = None


@dataclass(frozen=True, slots=True)
class Overflow:
    """What the server said of its window, in tokens; None where it did not say.

    requested: prompt and answer together. prompt: the input alone.
    """

    window: int | None = None
    requested: int | None = None
    prompt: int | None = None


class ParameterRefused(UpstreamInvalidRequest):
    """The server names the parameter that it does not take."""

    def __init__(
        self,
        refused: RefusedParameter,
        *,
        details: tuple[Detail, ...] = (),
        cause: str | None = None,
    ) -> None:
        super().__init__(details=details, cause=cause)
        self.refused = refused
