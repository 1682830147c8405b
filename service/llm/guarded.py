"""A chat model whose every call is guarded. A subclass of the provider's class, so that agents find what they expect.

Shown text goes to the turn directly; the chain gets one complete message. So a restarted answer never leaves a partial
one inside a chain.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any
from uuid import UUID

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from service.chat.events import TICK, CallEvent, Restart, Thinking, Token
from service.errors import ChatError
from service.llm import chain_turn
from service.llm.accumulator import Accumulator
from service.llm.asked_model import fields_of, in_our_names, name_of
from service.llm.chain_turn import CallEnd, ChainTurn, Said, TookBack, TurnGone, node_of
from service.llm.model_call import ModelCall

# bound by the service to the chain's last model, whose text is the answer
SHOWN = "service_shown"
# set for a model in the middle of a chain
HELD = "service_held"
OURS = (SHOWN, HELD, "stream", "stream_usage", "ls_structured_output_format")
PREFIX = "Guarded"
# the model whose provider's class is being asked: the methods of that class may call each other
ASKED: ContextVar[Any] = ContextVar("asked_model", default=None)


class Guarded:
    """A mixin in front of a provider's class. Calls need a turn (service.llm.chain_turn).

    Its own methods have names that no provider's class uses: LangChain's SimpleChatModel has a `_call`.
    """

    def _should_stream(self, **kwargs: Any) -> bool:
        return bool(kwargs.get("stream"))

    def transform(self, input: Any, config: Any = None, **kwargs: Any) -> Iterator[Any]:  # noqa: A002
        """Called when LangChain composes steps; a step that calls stream() itself gets a live stream."""
        kwargs.setdefault(HELD, True)
        yield from super().transform(input, config, **kwargs)  # type: ignore[misc]

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if ASKED.get() is self:
            result: ChatResult = provider_class(self)._generate(self, messages, stop, **kwargs)  # noqa: SLF001
            return result
        turn = chain_turn.current()
        shown = _is_shown(turn, run_manager)
        run = run_manager.run_id if run_manager and shown else None
        if run is not None:
            turn.live.add(run)
        whole = Accumulator()
        call = self._guarded_call(
            turn, messages, stop, kwargs, takes_back=turn.running.takes_back or not run
        )
        with _speaking(turn, run, call, whole):
            for event in self._guarded_events(turn, call):
                whole.add(event)
                if run is not None:
                    _show(turn, run, event)
                elif isinstance(event, Thinking):
                    turn.put(Thinking(""))
        message = whole.message(kwargs, call.kept)
        message.id = f"run-{run_manager.run_id}" if run_manager else None
        if run is not None and run_manager:
            turn.was_shown(message, run, node_of(run_manager.metadata))
        if run_manager and len(run_manager.handlers) > 1:
            _tell_handlers(run_manager, whole.chunk(kwargs), message.id)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        if ASKED.get() is self:
            yield from provider_class(self)._stream(self, messages, stop, **kwargs)  # noqa: SLF001
            return
        turn = chain_turn.current()
        shown = bool(kwargs.get(SHOWN))
        held = shown or bool(kwargs.get(HELD))
        takes_back = held and (turn.running.takes_back or not shown)
        call = self._guarded_call(turn, messages, stop, kwargs, takes_back=takes_back)
        events = self._guarded_events(turn, call)
        whole = Accumulator()
        if not held:
            yield from _live(events, whole, kwargs)
            return
        for event in events:
            whole.add(event)
            if shown:
                _show(turn, None, event)
            elif isinstance(event, Thinking):
                turn.put(Thinking(""))
        turn.has_spoken = turn.has_spoken or shown
        yield ChatGenerationChunk(message=whole.chunk(kwargs, call.kept))

    def call_for(self, value: Any, options: Mapping[str, Any]) -> ModelCall:
        """The call that prompts | model would make, without running the chain."""
        return self.call_with(self._convert_input(value).to_messages(), options)  # type: ignore[attr-defined]

    def call_with(self, messages: list[BaseMessage], options: Mapping[str, Any]) -> ModelCall:
        turn = chain_turn.current()
        return self._guarded_call(turn, messages, None, options, takes_back=turn.running.takes_back)

    def _guarded_call(
        self,
        turn: ChainTurn,
        messages: list[BaseMessage],
        stop: list[str] | None,
        kwargs: Mapping[str, Any],
        *,
        takes_back: bool,
    ) -> ModelCall:
        """Options bound by the chain take precedence over the request's."""
        prompt = turn.running.prompt
        bound = {name: value for name, value in kwargs.items() if name not in OURS}
        bound = in_our_names(self, bound)
        options = request_options(self, turn) | bound
        if stop:
            options["stop"] = stop
        model = options.pop("model", None) or name_of(self) or provider_class(self).__name__
        own = prompt.own - bound.keys()
        question = hash(prompt.question)
        return ModelCall(messages, options, str(model), question, takes_back, own, by=self)

    def _guarded_events(self, turn: ChainTurn, call: ModelCall) -> Iterator[CallEvent]:
        """The events without ticks; the turn is checked at each tick."""
        with (
            turn.calling(),
            closing(turn.around.guards.of(self).answer(call, turn.running)) as events,
        ):
            for event in events:
                if turn.running.gone:
                    raise TurnGone
                if event is not TICK:
                    yield event


def request_options(model: Any, turn: ChainTurn) -> dict[str, Any]:
    """The request's options, for the configured model; what a copy of it changed, and a chain's own models, stay."""
    if not getattr(model, "_is_configured", False):
        return {}
    prompt = turn.running.prompt
    options = {
        "model": prompt.model,
        "max_tokens": prompt.max_tokens,
        "temperature": prompt.temperature,
        "stop": list(prompt.stop) or None,
    }
    said = {name: value for name, value in options.items() if value is not None}
    as_configured = model._as_configured  # noqa: SLF001
    now = fields_of(model)
    return said | {name: now[name] for name in now if now[name] != as_configured.get(name)}


def guarded_copy(model: BaseChatModel, *, is_configured: bool) -> BaseChatModel:
    """A guarded copy of the model. is_configured: it is the one from the settings."""
    if isinstance(model, Guarded):
        return model
    copy = model.model_copy()
    copy.__class__ = _guarded_class(type(model))
    # an answer from a cache would be neither shown nor billed
    copy.__dict__["cache"] = False
    private = {
        "_is_configured": is_configured,
        "_as_configured": fields_of(model) if is_configured else {},
        "_guard": None,
    }
    copy.__pydantic_private__ = {**(model.__pydantic_private__ or {}), **private}
    return copy


def provider_class(model: Any) -> Any:
    """The class of a provider's guarded models."""
    return next(kind for kind in type(model).__mro__ if not issubclass(kind, Guarded))


@cache
def _guarded_class(kind: type[BaseChatModel]) -> type[BaseChatModel]:
    members = {
        "__module__": __name__,
        "__annotations__": {"_is_configured": bool, "_as_configured": dict, "_guard": Any},
        # pydantic ignores private attributes of a plain mixin
        "_is_configured": PrivateAttr(default=False),
        "_as_configured": PrivateAttr(default_factory=dict),
        "_guard": PrivateAttr(default=None),
        # the provider's async methods would bypass the guard; these call the sync ones in an executor
        "_agenerate": BaseChatModel._agenerate,  # noqa: SLF001
        "_astream": BaseChatModel._astream,  # noqa: SLF001
    }
    return type(f"{PREFIX}{kind.__name__}", (Guarded, kind), members)


def _is_shown(turn: ChainTurn, run_manager: CallbackManagerForLLMRun | None) -> bool:
    if run_manager is None or not turn.is_graph:
        return False
    about = run_manager
    return turn.shows(about.run_id, about.parent_run_id, about.metadata, about.tags)


@contextmanager
def _speaking(
    turn: ChainTurn, run: UUID | None, call: ModelCall, whole: Accumulator
) -> Iterator[None]:
    """Says when a call that is shown is over."""
    try:
        yield
    except ChatError as error:
        if run is not None:
            turn.fail(run, error, call.model, has_said=whole.has_text)
        raise
    if run is not None:
        turn.put(CallEnd(run))


def _show(turn: ChainTurn, run: UUID | None, event: CallEvent) -> None:
    if isinstance(event, Token):
        turn.put(Said(run, event.text))
    elif isinstance(event, Thinking):
        turn.put(event)
    elif isinstance(event, Restart):
        turn.put(TookBack(run, event.reason, event.model))


def _live(
    events: Iterator[CallEvent], whole: Accumulator, options: Mapping[str, Any]
) -> Iterator[ChatGenerationChunk]:
    """For a step that iterates over the model itself: its text cannot be taken back, so there is no restart."""
    for event in events:
        if isinstance(event, Token):
            yield ChatGenerationChunk(message=AIMessageChunk(content=event.text))
        else:
            whole.add(event)
    yield ChatGenerationChunk(message=whole.chunk(options))


def _tell_handlers(
    run_manager: CallbackManagerForLLMRun, message: AIMessageChunk, message_id: str | None
) -> None:
    """Passes the text to the chain's own handlers, in one piece. By its ID they recognize the message later."""
    chunk = ChatGenerationChunk(message=message)
    chunk.message.id = message_id
    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
