"""What callers may rely on: what of a request reaches the model, what of its answer comes back, with either client."""

import json
import uuid

import pytest

from service.settings.llm_catalogue import ASSISTANT
from tests.support.contract import check_problem
from tests.support.service import Service
from tests.support.simulator import directive

ROUTES = ["/chat", "/chat/stream"]
HISTORY = [
    {"role": "user", "content": "What is 1+1?"},
    {"role": "assistant", "content": "2"},
]
BRACES = [
    *("{", "}", "{}", "{{x}}", "{0}", "{question}", "{system}", "{x.__class__}", "{x!r:>9}"),
    *(
        '{"a": 1}',
        "{% if x %}",
        "${HOME}",
        "%(x)s %s",
        "\\{",
        "a\n\nb\u2028c 한글 😀",
        "\0",
        " edges ",
    ),
]


@pytest.fixture
def service(either):
    return either


def ask(service, route, question="hi", *, headers=None, **fields):
    """Status, headers and body, whichever route."""
    sent = {"Content-Type": "application/json", **(headers or {})}
    body = json.dumps({"question": question, **fields})
    return service.request("POST", route, body, sent)


def asked(simulator):
    """The one request that the upstream saw."""
    (request,) = simulator.requests()
    return request["body"]


# what the model is asked


@pytest.mark.parametrize("route", ROUTES)
def test_a_silent_request_is_asked_with_the_defaults(service, simulator, route):
    assert ask(service, route, "why?")[0] == 200
    body = asked(simulator)
    assert body["messages"] == [
        {"role": "system", "content": ASSISTANT},
        {"role": "user", "content": "why?"},
    ]
    assert (body["model"], body["temperature"]) == ("sim", 0.2)
    assert body["max_tokens"] == 4096
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("route", ROUTES)
def test_every_field_reaches_the_model(service, simulator, route):
    fields = {"system": "Be brief.", "history": HISTORY, "temperature": 1.5, "max_tokens": 7}
    assert ask(service, route, "And 2+2?", model="sim", **fields)[0] == 200
    body = asked(simulator)
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        *HISTORY,
        {"role": "user", "content": "And 2+2?"},
    ]
    assert (body["temperature"], body["max_tokens"]) == (1.5, 7)


def test_a_temperature_of_zero_is_sent(service, simulator):
    assert service.chat(temperature=0)[0] == 200
    assert asked(simulator)["temperature"] == 0


@pytest.mark.parametrize("text", BRACES)
def test_text_reaches_the_model_unchanged(service, simulator, text):
    history = [{"role": role, "content": text} for role in ("user", "assistant")]
    status, _, answer = service.chat(f"x{text}", system=text, history=history)
    assert status == 200, answer
    told = [(message["role"], message["content"]) for message in asked(simulator)["messages"]]
    assert told == [("system", text), ("user", text), ("assistant", text), ("user", f"x{text}")]


@pytest.fixture(scope="module")
def strict(_simulator):
    """A deployment with rules of its own."""
    with Service(
        _simulator.base_url,
        LLM_MODEL="sim:tokens=2",
        LLM_MODELS="sim:tokens=3, other",
        LLM_TEMPERATURE="",
        MAX_OUTPUT_TOKENS=50,
        SYSTEM_PROMPT='Keep {"this"}.',
        ALLOW_SYSTEM="false",
        MAX_BODY_BYTES=2000,
        MAX_QUESTION_CHARS=10,
        MAX_HISTORY_MESSAGES=2,
        MAX_HISTORY_CHARS=20,
    ) as running:
        yield running


def test_an_empty_llm_temperature_means_that_none_is_sent(strict, simulator):
    assert strict.chat()[0] == 200
    body = asked(simulator)
    assert "temperature" not in body
    assert (body["model"], body["max_tokens"]) == ("sim:tokens=2", 50)
    assert body["messages"][0] == {"role": "system", "content": 'Keep {"this"}.'}


@pytest.fixture(scope="module", params=["lean", "stock"])
def silent(_simulator, request):
    """Nothing is sent beside the conversation, for models that refuse it."""
    with Service(
        _simulator.base_url,
        LLM_CLIENT=request.param,
        LLM_TEMPERATURE="none",
        MAX_OUTPUT_TOKENS="none",
        SYSTEM_PROMPT="none",
    ) as running:
        yield running


@pytest.mark.parametrize("route", ROUTES)
def test_none_means_that_nothing_is_sent(silent, simulator, route):
    assert ask(silent, route, "why?")[0] == 200
    body = asked(simulator)
    assert body["messages"] == [{"role": "user", "content": "why?"}]
    assert not {"temperature", "max_tokens", "max_completion_tokens"} & body.keys()


def test_where_nothing_is_sent_a_requests_own_fields_are(silent, simulator):
    fields = {"system": "Be brief.", "temperature": 1.5, "max_tokens": 1_000_000}
    assert silent.chat(**fields)[0] == 200
    body = asked(simulator)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (body["temperature"], body["max_tokens"]) == (1.5, 1_000_000)


def test_a_requests_own_temperature_is_sent_all_the_same(strict, simulator):
    assert strict.chat(temperature=0.7)[0] == 200
    assert asked(simulator)["temperature"] == 0.7


def test_a_request_may_name_one_of_the_allowed_models(strict, simulator):
    status, _, answer = strict.chat(model="sim:tokens=3")
    assert (status, answer["model"]) == (200, "sim:tokens=3")
    assert answer["usage"]["output_tokens"] == 3
    assert asked(simulator)["model"] == "sim:tokens=3"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"model": "sim"}, "invalid_request"),
        ({"system": "x"}, "invalid_request"),
        ({"max_tokens": 51}, "invalid_request"),
        ({"question": "x" * 11}, "payload_too_large"),
        ({"history": HISTORY * 2}, "payload_too_large"),
        ({"history": [{"role": "user", "content": "x" * 21}]}, "payload_too_large"),
        ({"history": [{"role": "user", "content": "x" * 2000}]}, "payload_too_large"),
    ],
)
def test_a_deployments_own_rules_hold(strict, simulator, fields, code):
    check_problem(code, *ask(strict, "/chat", **{"question": "hi", **fields}))
    assert simulator.stats()["requests"] == 0


# what comes back


def test_an_answer_has_the_contracts_fields(service):
    status, headers, answer = service.chat(directive(tokens=5, cached=3))
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert answer.keys() == {"answer", "model", "finish_reason", "usage", "cost_usd", "request_id"}
    assert (answer["model"], answer["finish_reason"]) == ("sim", "stop")
    assert answer["usage"]["output_tokens"] == 5
    assert answer["usage"]["cached_input_tokens"] == 3
    assert answer["usage"]["source"] == "reported"
    assert answer["cost_usd"] is None  # it has no price
    assert answer["request_id"] == headers["x-request-id"]


def test_an_answer_is_told_by_the_configured_name_of_its_model(service):
    """Not by the dated name that an upstream answers with: prices and metrics know the former."""
    assert service.chat(directive(answer_model="sim-2026-01-01"))[2]["model"] == "sim"


@pytest.mark.parametrize("reason", ["stop", "length"])
def test_the_finish_reason_is_passed_on(service, reason):
    assert service.chat(directive(finish=reason))[2]["finish_reason"] == reason


@pytest.mark.parametrize("text", [text for text in BRACES if text != "\0"])
def test_an_answers_text_comes_back_unchanged(service, text):
    assert service.chat(directive(text=text, piece=1))[2]["answer"] == text
    with service.stream(directive(text=text, piece=1)) as stream:
        assert stream.text() == text


def test_an_answer_without_text_is_none(service):
    status, _, answer = service.chat(directive(tokens=0))
    assert (status, answer["error"]["code"]) == (502, "answer_empty")
    with service.stream(directive(tokens=0)) as stream:
        assert stream.status == 502


def test_a_stream_starts_with_its_id_and_model_and_ends_with_the_account(service):
    request_id = uuid.uuid4().hex
    with service.stream(directive(tokens=3), headers={"X-Request-ID": request_id}) as stream:
        start, *_, done, end = stream.events()
    assert start.json() == {"request_id": request_id, "model": "sim"}
    assert done.json().keys() == {"finish_reason", "model", "usage", "cost_usd"}
    assert (done.json()["model"], done.json()["finish_reason"]) == ("sim", "stop")
    assert (end.name, end.data) == ("message", "[DONE]")


# under which id


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("given", ["12345678", "a" * 64, "A.b-C_9.z"])
def test_a_proper_id_is_kept_everywhere(service, simulator, route, given):
    given = f"{given[:-6]}{uuid.uuid4().hex[:6]}"
    _, headers, body = ask(service, route, headers={"X-Request-ID": given})
    assert headers["x-request-id"] == given
    assert given.encode() in body
    turn = service.turn(given)
    assert turn["request_id"] == given
    assert simulator.requests()[0]["headers"]["x-request-id"] == f"{turn['turn_id']}.1"
