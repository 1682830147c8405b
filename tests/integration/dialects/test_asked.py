"""What servers want to be asked, and what they refuse: with default settings each of them answers."""

import base64
import itertools

import pytest

from tests.support.model_server import refuses
from tests.support.picky_server import PickyServer
from tests.support.service import Service

MODELS = [f"model-{number}" for number in range(40)]
THINKING = ["gpt-5-mini", "o3"]


@pytest.fixture(scope="module")
def picky():
    with PickyServer() as server:
        yield server


@pytest.fixture(scope="module", params=["lean", "stock"])
def asking(request, picky):
    settings = {"LLM_MODELS": ",".join([*MODELS, *THINKING]), "BREAKER_FAILURES": 1_000_000}
    with Service(picky.base_url, LLM_CLIENT=request.param, **settings) as service:
        service.models = iter(MODELS)
        yield service


@pytest.fixture
def model(asking):
    """One of which nothing has been learned."""
    return next(asking.models)


def openai_error(message, param=None, code=None, status=400):
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return refuses(status, {"error": error})


def unsupported(name, instead=""):
    message = f"Unsupported parameter: '{name}' is not supported with this model.{instead}"
    return openai_error(message, name, "unsupported_parameter")


def forbidden(*names):
    """Mistral's."""
    detail = [
        {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}
        for name in names
    ]
    return refuses(
        422, {"object": "error", "message": {"detail": detail}, "type": "invalid_request_error"}
    )


def too_long(asked):
    """vLLM's."""
    tokens = 16 + asked["max_tokens"]
    if tokens <= 4096:
        return None
    message = (
        f"This model's maximum context length is 4096 tokens. However, you requested {tokens} tokens (16 in the "
        f"messages, {asked['max_tokens']} in the completion). Please reduce the length of the messages or completion."
    )
    return refuses(
        400, {"object": "error", "message": message, "type": "BadRequestError", "code": 400}
    )


def too_many_tokens(asked):
    if asked["max_tokens"] <= 2048:
        return None
    message = (
        f"max_tokens is too large: {asked['max_tokens']}. This model supports at most 2048 completion tokens, whereas "
        f"you provided {asked['max_tokens']}."
    )
    return openai_error(message, "max_tokens", "invalid_value")


def no_system(status, body):
    def rule(asked):
        roles = [message["role"] for message in asked["messages"]]
        return refuses(status, body) if "system" in roles else None

    return rule


def only(name, reply):
    return lambda asked: reply if name in asked else None


ONE_TEMPERATURE = openai_error(
    "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
    "temperature",
    "unsupported_value",
)
# rule, the parameter as it is counted, and how often the server is asked at first
LEARNED = {
    "a temperature": (only("temperature", ONE_TEMPERATURE), "temperature"),
    "stream_options": (only("stream_options", forbidden("stream_options")), "stream_options"),
    "the name of the length": (
        only("max_tokens", unsupported("max_tokens", " Use 'max_completion_tokens' instead.")),
        "max_tokens",
    ),
    "a length above the maximum": (too_many_tokens, "max_tokens"),
    "the system role": (
        no_system(400, {"object": "error", "message": "System role not supported", "code": 400}),
        "system",
    ),
    "the system role, as a failure": (
        no_system(500, {"error": {"code": 500, "message": "System role not supported", "type": "server_error"}}),
        "system",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "parameter"), LEARNED.values(), ids=LEARNED)
def test_what_is_refused_by_name_is_asked_differently_within_the_attempt(
    asking, picky, model, rule, parameter
):
    picky.begin(rule)
    attempts = asking.metric("chat_llm_attempts_total")
    for requests in (2, 3, 4):
        status, _, answer = asking.chat(model=model)
        assert (status, answer["answer"]) == (200, "Hello")
        assert len(picky.bodies) == requests
    assert asking.metric("chat_llm_attempts_total") - attempts == 3
    assert asking.metric("chat_llm_attempts_total", model=model, result="ok") == 3
    assert asking.metric("chat_llm_retries_total") == 0
    labels = {"model": model, "parameter": parameter}
    assert asking.metric("chat_adapted_parameters_total", **labels) == 1
    (line,) = [
        event
        for event in asking.events()
        if event["event"] == "parameter_adapted" and event["model"] == model
    ]
    assert line["parameter"] == parameter
    assert line["setting"]


def test_nothing_of_a_system_prompt_is_lost_where_the_role_is_refused(asking, picky, model):
    picky.begin(LEARNED["the system role"][0])
    assert asking.chat("Why?", system="Be brief.", model=model)[0] == 200
    assert picky.bodies[1]["messages"] == [{"role": "user", "content": "Be brief.\n\nWhy?"}]


def test_what_is_left_of_the_window_is_asked_for(asking, picky, model):
    picky.begin(too_long)
    assert asking.chat("hi", model=model)[0] == 200
    assert [asked["max_tokens"] for asked in picky.bodies] == [4096, 4080]
    assert asking.chat("hi", model=model)[0] == 200
    assert len(picky.bodies) == 3


def test_several_refusals_are_learned_in_one_attempt(asking, picky, model):
    rules = [rule for rule, _ in LEARNED.values()]
    picky.begin(
        lambda asked: next(
            filter(
                None,
                (
                    rule(asked)
                    for rule in rules
                    if "max_tokens" in asked or rule is not too_many_tokens
                ),
            ),
            None,
        )
    )
    assert asking.chat(model=model)[0] == 200
    before = len(picky.bodies)
    assert asking.chat(model=model)[0] == 200
    assert len(picky.bodies) == before + 1


@pytest.mark.parametrize("name", THINKING)
def test_models_that_think_are_asked_without_a_temperature(asking, picky, name):
    picky.begin(only("temperature", ONE_TEMPERATURE))
    assert asking.chat(model=name)[0] == 200
    (body,) = picky.bodies
    assert "temperature" not in body


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("temperature", 0.3, only("temperature", ONE_TEMPERATURE)),
        ("max_tokens", 3000, too_many_tokens),
        ("max_tokens", 4090, too_long),
    ],
)
@pytest.mark.parametrize("learned", [False, True])
def test_a_callers_own_value_is_refused_with_its_name(
    asking, picky, model, field, value, rule, learned
):
    picky.begin(rule)
    if learned:
        assert asking.chat(model=model)[0] == 200
    before = len(picky.bodies)
    status, _, answer = asking.chat(model=model, **{field: value})
    assert (status, answer["error"]["code"]) == (400, "upstream_invalid_request")
    assert [detail["field"] for detail in answer["error"]["details"]] == [field]
    assert [asked[field] for asked in picky.bodies[before:]] == [value]


def test_a_server_that_is_not_openai_is_asked_for_max_tokens(asking, picky, model):
    picky.begin()
    asking.chat(model=model, max_tokens=5)
    (body,) = picky.bodies
    assert body["max_tokens"] == 5
    assert "max_completion_tokens" not in body


def test_headers_say_what_is_taken(asking, picky, model):
    picky.begin()
    assert asking.chat(model=model)[0] == 200
    (request,) = picky.questions
    assert request.headers["accept"] == "text/event-stream, application/json"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["content-type"] == "application/json"
    # there is no key
    assert "authorization" not in request.headers


def test_no_request_id_is_sent_twice(asking, picky, model):
    picky.begin(LEARNED["stream_options"][0])
    for _ in range(3):
        asking.post("/chat", {"question": "hi", "model": model}, {"X-Request-ID": "same-for-all"})
    ids = [request.headers["x-request-id"] for request in picky.questions]
    assert len(ids) == 4
    assert len(set(ids)) == 4


@pytest.mark.parametrize("client", ["lean", "stock"])
def test_a_base_url_may_have_a_query_a_user_and_the_whole_path(picky, client):
    picky.begin()
    address = f"http://us%40er:pass-canary@{picky.address}/deployments/gpt/chat/completions?api-version=2024-10-21&key=a%20b"
    headers = {"OPENAI_EXTRA_HEADERS": "api-key: canary-key-0123; X-Title: chat"}
    with Service(address, LLM_CLIENT=client, **headers) as service:
        assert service.chat()[0] == 200
        log = "\n".join(service.lines)
    (request,) = picky.questions
    assert request.path in (
        f"/deployments/gpt/chat/completions?api-version=2024-10-21&key=a{space}b"
        for space in ("%20", "+")
    )
    assert (
        request.headers["authorization"]
        == f"Basic {base64.b64encode(b'us@er:pass-canary').decode()}"
    )
    assert (request.headers["api-key"], request.headers["x-title"]) == ("canary-key-0123", "chat")
    assert "canary" not in log


@pytest.mark.parametrize("client", ["lean", "stock"])
def test_the_key_is_sent_to_its_own_server_alone(picky, client):
    picky.begin(lambda _: refuses(503, {}))
    with PickyServer() as spare:
        settings = {
            "OPENAI_API_KEY": "sk-canary-0123456789",
            "OPENAI_EXTRA_HEADERS": "X-Canary: canary-canary",
            "FALLBACK_MODEL": "spare",
            "FALLBACK_BASE_URL": spare.base_url,
        }
        with Service(picky.base_url, LLM_CLIENT=client, RETRY_ATTEMPTS=1, **settings) as service:
            assert service.chat()[0] == 200
        assert picky.questions[0].headers["authorization"] == "Bearer sk-canary-0123456789"
        assert picky.questions[0].headers["x-canary"] == "canary-canary"
        assert "canary" not in "".join(itertools.chain(*spare.requests[-1].headers.items()))
