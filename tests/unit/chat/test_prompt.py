"""The prompt: what the request says, and the deployment's defaults where it says nothing."""

from types import SimpleNamespace

from service.chat.prompt import Defaults, Prompt, compose
from service.chat.request import ChatRequest, Message

DEFAULTS = Defaults(model="small", system="be kind", temperature=0.2, max_tokens=4096)
ASKER = SimpleNamespace(request_id="request-7", address="192.0.2.7", user_id=None, session_id=None)
BRACES = 'a {b} {{c}} {0} {"d": 1} {e.__class__} %s ${f}'


def test_a_silent_request_gets_the_defaults():
    assert compose(ChatRequest(question="why?"), DEFAULTS, ASKER, "turn-7") == Prompt(
        system="be kind",
        history=(),
        question="why?",
        model="small",
        temperature=0.2,
        max_tokens=4096,
        request_id="request-7",
        turn_id="turn-7",
        address="192.0.2.7",
    )


def test_what_the_request_says_wins():
    history = [Message(role="user", content="hi")]
    request = ChatRequest(
        question="why?",
        system="be brief",
        history=history,
        model="large",
        temperature=1.5,
        max_tokens=7,
    )
    prompt = compose(request, DEFAULTS, ASKER, "turn-7")
    assert (prompt.system, prompt.history) == ("be brief", tuple(history))
    assert (prompt.model, prompt.temperature, prompt.max_tokens) == ("large", 1.5, 7)


def test_a_temperature_of_zero_is_a_temperature():
    assert compose(ChatRequest(question="a", temperature=0), DEFAULTS, ASKER, "t").temperature == 0


def test_what_neither_the_request_nor_the_deployment_says_is_not_sent():
    silent = Defaults("small", "", None, None)
    prompt = compose(ChatRequest(question="a"), silent, ASKER, "t")
    assert (prompt.system, prompt.temperature, prompt.max_tokens) == ("", None, None)


def test_an_empty_system_text_means_the_default_one():
    assert compose(ChatRequest(question="a", system=""), DEFAULTS, ASKER, "t").system == "be kind"


def test_braces_mean_nothing():
    history = [Message(role="assistant", content=BRACES)]
    request = ChatRequest(question=BRACES, system=BRACES, history=history)
    prompt = compose(request, DEFAULTS, ASKER, "t")
    assert (prompt.question, prompt.system, prompt.history[0].content) == (BRACES, BRACES, BRACES)
