"""Each dialect's frames and refusals, where they differ from OpenAI's."""

import pytest

from tests.simulator.dialect_errors import DIALECT_ERRORS, ERRORS
from tests.simulator.dialects import FRAMES
from tests.simulator.tests.wire import ask
from tests.support.simulator import SimulatorProcess
from tests.unit.llm.wire.frames import heard

ASKED = {"stream_options": {"include_usage": True}}


@pytest.mark.parametrize("name", FRAMES)
def test_a_dialect_is_an_answer(simulator: SimulatorProcess, name: str) -> None:
    asked = {} if name == "mistral" else ASKED
    said = heard([ask(simulator, "[sim tokens=3 thoughts=2]", model=f"sim-{name}", **asked).body])
    assert (said.text, said.finish_reason, said.error) == ("the quick answer", "stop", None)
    assert said.thinking == ("" if name == "gpt-5" else "hm hm ")
    assert (said.usage.input_tokens, said.usage.output_tokens) == (4 + 3, 3 + 2)


@pytest.mark.parametrize(
    ("name", "asked", "status"),
    [
        ("gpt-5", {"max_tokens": 5}, 400),
        ("gpt-5", {"temperature": 0.2}, 400),
        ("gpt-5", {"temperature": 1, "max_completion_tokens": 5}, 200),
        ("mistral", ASKED, 422),
        ("mistral", {"max_completion_tokens": 5}, 422),
        ("mistral", {"max_tokens": 5}, 200),
        ("vllm", {"max_tokens": 4096}, 400),
        ("vllm", {"max_tokens": 4080}, 200),
    ],
)
def test_what_a_dialect_refuses(
    simulator: SimulatorProcess, name: str, asked: dict, status: int
) -> None:
    assert ask(simulator, "hi", model=f"sim-{name}", **asked).status == status


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("error", ERRORS)
def test_errors_in_its_words(simulator: SimulatorProcess, name: str, error: str) -> None:
    reply = ask(simulator, "hi", model=f"sim-{name}:error={error}")
    assert (reply.status, reply.json()) == DIALECT_ERRORS[name][error]


@pytest.mark.parametrize("order", ["dialect=klingon", "error=boredom"])
def test_what_is_none_is_said(simulator: SimulatorProcess, order: str) -> None:
    reply = ask(simulator, f"[sim {order}]")
    assert reply.status == 400
    assert "no such" in reply.json()["error"]["message"]
