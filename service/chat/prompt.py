"""What the model is asked: the request with the deployment's defaults filled in."""

from dataclasses import dataclass

from service.chat.request import ChatRequest, Message


@dataclass(frozen=True)
class Defaults:
    """What applies where a request is silent. None, and an empty system: nothing is sent."""

    model: str
    system: str
    temperature: float | None
    max_tokens: int | None


@dataclass(frozen=True)
class Prompt:
    """A question to a model. Texts are passed on as they are: braces mean nothing."""

    system: str
    history: tuple[Message, ...]
    question: str
    model: str
    temperature: float | None
    max_tokens: int | None
    request_id: str


def compose(request: ChatRequest, defaults: Defaults, request_id: str) -> Prompt:
    temperature = request.temperature
    return Prompt(
        system=request.system or defaults.system,
        history=tuple(request.history),
        question=request.question,
        model=request.model or defaults.model,
        temperature=defaults.temperature if temperature is None else temperature,
        max_tokens=request.max_tokens or defaults.max_tokens,
        request_id=request_id,
    )
