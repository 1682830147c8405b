"""One worker's guarded models together."""

from langchain_openai import ChatOpenAI

from service.errors import CircuitOpen
from service.llm.steps import guarded
from service.protection import Protection
from service.settings import load
from tests.unit.resilience.fakes import FakeCall, Heard, origin

HERE, THERE = "http://127.0.0.1:9/v1", "http://127.0.0.2:9/v1"


def failing(breaker):
    for _ in range(5):
        breaker.admit(origin()).settle("failure")


def is_open(breaker):
    try:
        breaker.admit(origin())
    except CircuitOpen:
        return True
    return False


def test_a_chains_own_model_does_not_hide_a_configured_one_of_its_name():
    settings = load({"LLM_MODEL": "main", "OPENAI_BASE_URL": HERE, "OPENAI_API_KEY": "none-at-all"})
    heard = Heard()
    protection = Protection(settings, heard)
    own_model = guarded(ChatOpenAI(model="main", base_url=THERE, api_key="none"))
    call = FakeCall("main")
    configured = protection.guard().routes[0].breaker(call)
    failing(configured)
    own = protection.own_guard(own_model).routes[0].breaker(call)
    assert is_open(configured)
    assert not is_open(own)
    assert protection.states() == {"main": "open", own.model: "closed"}
    assert dict(heard.states)["main"] == "open"
