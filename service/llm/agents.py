"""What can be told in advance of an agent's answer: whether it is an object, and what may still happen to its text."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langgraph.pregel import Pregel

from service.llm.chain_parts import bare

# LangChain's names
INTEGRATION = "langchain_create_agent"
MODEL = "model"
AFTER = (".after_model", ".after_agent")
LIBRARY = "langchain"
# its decorator of functions that only write the system prompt
PROMPT = "dynamic_prompt"
MOST_DEPTH = 8
STRUCTURED = "generate_structured_response"


@dataclass(frozen=True)
class Agent:
    """answers_object: the answer is the structured response, and text is only what the model says on its way there.

    redacts: a middleware removes secrets from the model's text, which nobody may see before that. may_replace: the
    chain's own middleware sees the model's text, and may throw it away.
    """

    answers_object: bool = False
    redacts: bool = False
    may_replace: bool = False

    def holds(self, *, takes_back: bool) -> bool:
        """Whether the text waits for the middleware. takes_back: whether the caller can discard text."""
        return self.redacts or (self.may_replace and not takes_back)

    def is_live(self, *, takes_back: bool) -> bool:
        """Whether what the model says is shown at once."""
        return not self.answers_object and not self.holds(takes_back=takes_back)


def agent_of(graph: Any) -> Agent | None:
    """None: another kind of graph."""
    graph = bare(graph)
    if not isinstance(graph, Pregel):
        return None
    if STRUCTURED in graph.nodes:
        # of create_react_agent
        return Agent(answers_object=True)
    metadata = (graph.config or {}).get("metadata") or {}
    if metadata.get("ls_integration") != INTEGRATION:
        return None
    known = _known_to(_function(graph.nodes[MODEL]))
    after = [_function(node) for name, node in graph.nodes.items() if name.endswith(AFTER)]
    return Agent(
        known.get("initial_response_format") is not None,
        any(map(_redacts, after)),
        any(map(_is_own, [known.get("wrap_model_call_handler"), *after])),
    )


def _function(node: Any) -> Any:
    return getattr(node.bound, "func", None)


def _plain(function: Any) -> Any:
    function = inspect.unwrap(function)
    return getattr(function, "__func__", function)


def _known_to(function: Any) -> Mapping[str, Any]:
    """The variables that a function closes over."""
    function = _plain(function)
    return inspect.getclosurevars(function).nonlocals if inspect.isfunction(function) else {}


def _redacts(hook: Any) -> bool:
    # of PIIMiddleware
    return bool(getattr(getattr(hook, "__self__", None), "apply_to_output", False))


def _is_own(hook: Any, depth: int = MOST_DEPTH) -> bool:
    """Whether it is, or calls, a function of the chain's author: LangChain's decorators close over it."""
    function = _plain(hook)
    if not depth or not inspect.isfunction(function) or function.__qualname__.startswith(PROMPT):
        return False
    own = not function.__module__.startswith(LIBRARY)
    return own or any(_is_own(one, depth - 1) for one in _known_to(function).values())
