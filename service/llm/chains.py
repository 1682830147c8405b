"""The chains of service/llm/chain.py, built and checked once per worker."""

import importlib
import inspect
import traceback
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from langchain_core.runnables import Runnable

from service.chat.events import Event
from service.chat.running_turn import RunningTurn
from service.llm import event_loops
from service.llm.chain_checks import UnusableChain, check, short
from service.llm.chain_plan import Plan, plan_of
from service.llm.chain_runner import answer
from service.llm.chain_turn import Surroundings

MODULE = "service.llm.chain"
SINGLE = "chat"
MOST_CHARACTERS = 300
# SystemExit: a script written for a terminal may exit
UNUSABLE = (Exception, SystemExit)
HINTS = {
    "StateGraph": "add .compile()",
    "coroutine": "write the builder with def, not async def",
    "function": "wrap it in RunnableLambda()",
    "list": "compose the steps with |",
}
Builder = Callable[[Any], Any]


@dataclass(frozen=True)
class Chains:
    """plans: by name; the first is the default."""

    plans: Mapping[str, Plan]
    around: Surroundings

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.plans)

    def answer(self, turn: RunningTurn) -> Generator[Event, None, None]:
        """Yields a turn's events, each within a tick, the last one Done. Raises ChatError."""
        name = turn.prompt.chain
        return answer(name, self.plans[name], turn, self.around)


def builders() -> dict[str, Builder]:
    """The builders in chain.py. Raises UnusableChain: one sentence with file and line."""
    event_loops.install()
    module = _imported()
    named = getattr(module, "CHAINS", None)
    if named is None:
        single = getattr(module, "build_chain", None)
        named = {} if single is None else {SINGLE: single}
    if not isinstance(named, dict) or not named:
        where = short(module.__file__)
        raise UnusableChain(
            f"{where}: it has neither CHAINS (names and builders) nor build_chain(model)"
        )
    for name, builder in named.items():
        if not isinstance(name, str) or not name or not callable(builder):
            raise UnusableChain(
                f"{short(module.__file__)}: CHAINS has to be names and builders: {name!r}"
            )
    return dict(named)


def build(model: Any, found: Mapping[str, Builder]) -> dict[str, Plan]:
    """Calls each builder with the guarded model. Raises UnusableChain."""
    return {name: _built(name, builder, model) for name, builder in found.items()}


def _imported() -> ModuleType:
    try:
        return importlib.import_module(MODULE)
    except UNUSABLE as error:
        raise UnusableChain(f"{_place(error)}: {_words(error)}") from error


def _built(name: str, builder: Builder, model: Any) -> Plan:
    try:
        chain = builder(model)
    except UNUSABLE as error:
        place = _place(error) if _own_frames(error) else _line_of(builder)
        raise UnusableChain(f"{place}: the chain {name!r}: {_words(error)}") from error
    where = _line_of(builder)
    if not isinstance(chain, Runnable):
        raise UnusableChain(f"{where}: {_called(builder)} returns {_not_runnable(chain)}")
    check(chain, where)
    return plan_of(chain)


def _words(error: BaseException) -> str:
    """The reader is the operator, at start: the error's own text helps."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:MOST_CHARACTERS]


def _place(error: BaseException) -> str:
    """The innermost line in the chain's own file, or else the last one."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{short(error.filename)}:{error.lineno}"
    own = _own_frames(error) or traceback.extract_tb(error.__traceback__)
    return f"{short(own[-1].filename)}:{own[-1].lineno}"


def _own_frames(error: BaseException) -> list[traceback.FrameSummary]:
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if frame.filename.endswith("chain.py")]


def _not_runnable(chain: Any) -> str:
    """What it is, and what would make a Runnable of it."""
    kind = "nothing" if chain is None else f"a {type(chain).__name__}"
    if inspect.iscoroutine(chain):
        chain.close()
    hint = HINTS.get(type(chain).__name__)
    return f"{kind}, not a Runnable" + (f"; {hint}" if hint else "")


def _line_of(builder: Any) -> str:
    try:
        return f"{short(inspect.getsourcefile(builder))}:{inspect.getsourcelines(builder)[1]}"
    except (TypeError, OSError):
        return MODULE


def _called(builder: Any) -> str:
    return str(getattr(builder, "__name__", builder))
