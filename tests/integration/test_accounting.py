"""The bill: tokens, where the count comes from, cost, and one line in the log for every turn."""

import json

import pytest
import tiktoken

from service.settings.llm_catalogue import ASSISTANT
from tests.support.service import TIKTOKEN_CACHE, Service
from tests.support.simulator import directive

MINE = '[models."{name}"]\ninput = 3\ncached_input = 1\noutput = 8\nas_of = 2026-01-02\n'
FIELDS = {
    "event", "level", "time", "route", "ending", "code", "cause", "request_id",
    "turn_id", "user_id", "session_id", "key", "key_user", "chain",
    "model", "finish_reason", "duration_seconds", "time_to_first_token_seconds", "longest_gap_seconds",
    "overhead_seconds", "answer_usage", "answer_cost_usd", "input_tokens", "output_tokens", "tokens_source",
    "cost_usd", "attempts",
}  # fmt: skip
KOREAN = "오늘은 하늘이 맑고 바람이 시원해서, 공원에서 오래 걷다가 돌아왔습니다. " * 5


@pytest.fixture(scope="module")
def priced(_simulator, tmp_path_factory):
    """A service with a model of each kind: a shipped price, one of its own, none, and a free one."""
    own = tmp_path_factory.mktemp("prices") / "own.toml"
    own.write_text(MINE.format(name="mine") + MINE.format(name="gpt-4o"), encoding="utf-8")
    settings = {
        "LLM_MODEL": "gpt-4o-mini",
        "LLM_MODELS": "gpt-4o, mine, sim, smollm2-135m-instruct",
        "PRICES_FILE": own,
        "RETRY_ATTEMPTS": 1,
        "BREAKER_FAILURES": 1_000_000,
    }
    with Service(_simulator.base_url, **settings) as service:
        yield service


@pytest.fixture(scope="module")
def encoding():
    """Counts tokens as OpenAI does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(TIKTOKEN_CACHE))
        return tiktoken.get_encoding("o200k_base")


def test_one_line_says_all_of_a_turn(priced, simulator):
    headers = {
        "X-Request-ID": "request-one",
        "X-User-ID": "user-one",
        "X-Session-ID": "session-one",
    }
    payload = {"question": directive(tokens=5, first=0.1, gap=0.05)}
    status, _, body = priced.post("/chat", payload, headers)
    assert status == 200
    line = priced.turn("request-one")
    assert set(line) == FIELDS
    assert (line["user_id"], line["session_id"]) == ("user-one", "session-one")
    assert (line["route"], line["ending"], line["finish_reason"]) == ("/chat", "completed", "stop")
    assert line["model"] == "gpt-4o-mini"
    assert (line["code"], line["cause"]) == (None, None)
    assert (line["output_tokens"], line["tokens_source"]) == (5, "reported")
    assert 0.1 <= line["time_to_first_token_seconds"] < line["duration_seconds"]
    assert 0.04 < line["longest_gap_seconds"] < line["duration_seconds"]
    assert line["overhead_seconds"] < line["duration_seconds"]
    assert body["usage"]["output_tokens"] == 5
    assert [attempt["result"] for attempt in line["attempts"]] == ["ok"]


@pytest.mark.parametrize("route", ["/chat", "/chat/stream"])
@pytest.mark.parametrize(
    ("model", "prices"),
    [
        ("gpt-4o-mini", (0.15, 0.075, 0.60)),
        ("gpt-4o", (3, 1, 8)),
        ("mine", (3, 1, 8)),
        ("smollm2-135m-instruct", (0, 0, 0)),
    ],
)
def test_the_price_list_makes_the_cost(priced, simulator, route, model, prices):
    before = priced.metric("chat_cost_usd_total", model=model)
    question = directive(tokens=50, cached=6)
    if route == "/chat":
        _, _, told = priced.chat(question, model=model)
    else:
        with priced.stream(question, model=model) as stream:
            told = stream.events()[-2].json()
    usage = told["usage"]
    assert (usage["output_tokens"], usage["cached_input_tokens"]) == (50, 6)
    per_token = [price / 1_000_000 for price in prices]
    expected = (usage["input_tokens"] - 6) * per_token[0] + 6 * per_token[1] + 50 * per_token[2]
    assert told["cost_usd"] == pytest.approx(expected, abs=1e-9)
    spent = priced.metric("chat_cost_usd_total", model=model) - before
    assert spent == pytest.approx(expected, abs=1e-9)
    assert priced.metric("chat_unpriced_tokens_total", model=model) == 0


def test_a_model_without_a_price_is_counted_as_such(priced, simulator):
    before = priced.metric("chat_unpriced_tokens_total", model="sim")
    _, headers, body = priced.chat(directive(tokens=9), model="sim")
    assert body["cost_usd"] is None
    line = priced.turn(headers["x-request-id"])
    assert (line["cost_usd"], line["answer_cost_usd"]) == (None, None)
    tokens = body["usage"]["input_tokens"] + 9
    assert priced.metric("chat_unpriced_tokens_total", model="sim") == before + tokens
    assert priced.metric("chat_cost_usd_total", model="sim") == 0


def test_what_the_bill_will_lack_is_said_at_start(priced):
    assert priced.event("models_without_price")["models"] == ["sim"]
    assert "no_token_encoding" not in [event["event"] for event in priced.events()]


@pytest.mark.parametrize("route", ["/chat", "/chat/stream"])
def test_tokens_that_are_not_reported_are_counted(priced, simulator, encoding, route):
    before = priced.metric("chat_usage_estimated_total", model="gpt-4o-mini")
    question = directive(fault="no-usage", text=KOREAN)
    if route == "/chat":
        _, _, told = priced.chat(question)
    else:
        with priced.stream(question) as stream:
            told = stream.events()[-2].json()
    asked = len(encoding.encode(ASSISTANT)) + len(encoding.encode(question)) + 2 * 4 + 3
    assert told["usage"] == {
        "input_tokens": asked,
        "output_tokens": len(encoding.encode(KOREAN)),
        "source": "estimated",
    }
    assert told["cost_usd"] > 0
    assert priced.metric("chat_usage_estimated_total", model="gpt-4o-mini") == before + 1


@pytest.mark.parametrize("fault", ["cut", "reset-after", "malformed", "no-finish", "in-band-error"])
def test_an_answer_that_was_cut_is_counted_as_far_as_it_came(priced, simulator, encoding, fault):
    with priced.stream(directive(fault=fault, text=KOREAN, piece=3, after=40, gap=0.002)) as stream:
        events = stream.events()
    assert events[-2].name == "error"
    line = priced.turn(stream.headers["x-request-id"])
    first = line["attempts"][0]
    expected = len(encoding.encode(KOREAN[: 3 * 40]))
    # a reset may overtake the last of what was sent
    assert abs(first["output_tokens"] - expected) <= (6 if fault == "reset-after" else 0)
    assert first["source"] == "estimated"
    assert first["cost_usd"] > 0
    assert line["cost_usd"] == pytest.approx(sum(each["cost_usd"] for each in line["attempts"]))
    assert line["answer_usage"] is None


def test_an_attempt_that_never_began_costs_nothing(priced, simulator):
    _, headers, _ = priced.chat(directive(fault="status", status=401))
    line = priced.turn(headers["x-request-id"])
    assert (line["input_tokens"], line["output_tokens"]) == (0, 0)
    assert (line["cost_usd"], line["tokens_source"]) == (0, None)


def test_every_turn_has_one_line_and_what_is_none_has_not(priced, simulator):
    before = len(priced.turns(0))
    asked = [
        directive(tokens=1),
        directive(fault="status", status=429),
        directive(fault="content-filter"),
        directive(fault="no-finish"),
        "",
    ]
    ids = []
    for question in asked:
        for route in ("/chat", "/chat/stream"):
            ids.append(f"request-{len(ids):04}")
            priced.request(
                "POST",
                route,
                json.dumps({"question": question}),
                {"Content-Type": "application/json", "X-Request-ID": ids[-1]},
            )
    assert priced.get("/health")[0] == 200
    assert priced.get("/nowhere")[0] == 404
    assert priced.request("PUT", "/chat")[0] == 405
    lines = priced.turns(before + len(ids))[before:]
    assert [line["request_id"] for line in lines] == ids
    assert all(set(line) == FIELDS for line in lines)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no TOML at all", "own.toml is no price list: "),
        (MINE.format(name="mine").replace("output = 8\n", ""), "mine needs output"),
        ("[prices]\n", "it has no [models"),
    ],
)
def test_a_broken_price_list_is_one_clear_sentence_at_start(simulator, tmp_path, text, reason):
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    service = Service(simulator.base_url, PRICES_FILE=path)
    try:
        assert service.wait(60) == 1
    finally:
        service.stop()
    (line,) = service.lines
    assert line.startswith("The service cannot start: ")
    assert reason in line
