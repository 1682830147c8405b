"""The request with the deployment's defaults filled in."""

from dataclasses import dataclass
from typing import Protocol

from service.chat.request import ChatRequest, Message

OPTIONAL = ("system", "model", "temperature", "max_tokens", "stop")


@dataclass(frozen=True)
class Defaults:
    """Used where a request specifies nothing. None, or an empty system: not sent."""

    model: str
    system: str
    temperature: float | None
    max_tokens: int | None
    chain: str = "chat"


@dataclass(frozen=True)
class Prompt:
    """The input of a chain. Texts are passed on verbatim: braces have no meaning.

    address: where the request came from. own: the optional fields that the caller set, rather than the deployment's
    defaults.
    """

    system: str
    history: tuple[Message, ...]
    question: str
    model: str
    temperature: float | None
    max_tokens: int | None
    request_id: str
    turn_id: str = ""
    address: str = ""
    user_id: str | None = None
    session_id: str | None = None
    chain: str = "chat"
    own: frozenset[str] = frozenset()
    stop: tuple[str, ...] = ()


class Asker(Protocol):
    """Where the prompt comes from."""

    @property
    def request_id(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def user_id(self) -> str | None: ...
    @property
    def session_id(self) -> str | None: ...


def compose(request: ChatRequest, defaults: Defaults, asker: Asker, turn_id: str) -> Prompt:
    temperature = request.temperature
    return Prompt(
        system=request.system or defaults.system,
        history=tuple(request.history),
        question=request.question,
        model=request.model or defaults.model,
        temperature=defaults.temperature if temperature is None else temperature,
        max_tokens=request.max_tokens or defaults.max_tokens,
        request_id=asker.request_id,
        turn_id=turn_id,
        address=asker.address,
        user_id=asker.user_id,
        session_id=asker.session_id,
        chain=request.chain or defaults.chain,
        stop=request.stop,
        own=frozenset(name for name in OPTIONAL if getattr(request, name) not in (None, ())),
    )
