import pytest

from tests.simulator import behaviour
from tests.simulator.behaviour import FAULTS, Behaviour, DirectiveError, choose_behaviour
from tests.support.simulator import directive


def test_without_a_directive_everything_is_default() -> None:
    assert choose_behaviour("gpt-4o-mini", "What is [simple]?") == Behaviour()
    assert choose_behaviour("sim", "[sim]") == Behaviour()


def test_message_wins_over_model_and_model_over_default_key_by_key() -> None:
    chosen = choose_behaviour("sim:tokens=2,gap=0.5", "hi [sim tokens=3]", "tokens=1 first=9 gap=8")
    assert chosen == Behaviour(tokens=3, gap=0.5, first=9.0)


def test_directive_stands_anywhere_and_later_ones_win() -> None:
    chosen = choose_behaviour("m", "[sim tokens=1 fault=cut]\nWhy? [sim  tokens=7\nafter=2] Thanks")
    assert chosen == Behaviour(tokens=7, fault="cut", after=2)


def test_values_are_percent_decoded() -> None:
    text = "a\n\nb\u2028c] 한글 😀 = %"
    assert choose_behaviour("m", directive(text=text)).text == text
    assert choose_behaviour("sim:text=a%2Cb%20c", "").text == "a,b c"


def test_short_model_names_are_faults() -> None:
    assert choose_behaviour("sim-reset-before", "").fault == "reset-before"
    assert choose_behaviour("sim-cut:after=3", "") == Behaviour(fault="cut", after=3)
    assert choose_behaviour("sim-429:retry_after=2", "") == Behaviour(
        fault="status", status=429, retry_after="2"
    )


def test_message_can_take_a_fault_back() -> None:
    assert choose_behaviour("sim-cut", "[sim fault=none]").fault == "none"


def test_directive_for_another_model_does_not_count() -> None:
    message = "[sim model=primary fault=503][sim model=spare tokens=2]"
    assert choose_behaviour("primary", message) == Behaviour(fault="status", status=503)
    assert choose_behaviour("spare", message) == Behaviour(tokens=2)
    assert choose_behaviour("spare", "", "tokens=4\nmodel=primary fault=cut") == Behaviour(tokens=4)


@pytest.mark.parametrize(
    "text",
    [
        "tokens",
        "tokens=x",
        "tokens=-1",
        "tokens=1e3",
        "gap=nan",
        "gap=inf",
        "gap=-1",
        "fault=nonsense",
        "status=200",
        "usage=yes",
        "burst=0",
        "colour=red",
    ],
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(DirectiveError):
        choose_behaviour("m", f"[sim {text}]")


def test_table_describes_every_key_and_every_fault() -> None:
    rows = [
        line.split("|")[1].strip() for line in (behaviour.__doc__ or "").splitlines() if "|" in line
    ]
    documented = {row.split(" ")[0] for row in rows}
    assert documented >= FAULTS | set(Behaviour.__dataclass_fields__)
