"""Keys, limits and the ledger as callers and operators meet them: gunicorn, and both stores."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from sqlalchemy import select

from service.access import schema
from service.access.allowance import Limits
from service.access.database import Database, database_url
from service.access.keys import ANONYMOUS, Key
from service.access.money import picodollars
from service.access.secret import new_secret
from tests.crash.ledger import upstream_differences
from tests.support.access_store import FILE, change_key, make_key, unlimited_store
from tests.support.contract import check_problem
from tests.support.service import ROOT, SHIPPED_CHAIN, Service
from tests.support.simulator import directive

PRICES = '[models."sim"]\ninput = 1\ncached_input = 1\noutput = 100\nas_of = 2026-01-01\n'


@pytest.fixture
def serve(simulator, address, database, tmp_path):
    """Starts the service on the store of this test; ends it."""
    (tmp_path / "prices.toml").write_text(PRICES)
    running = []

    def start(**settings):
        defaults = {
            "DATABASE_URL": address,
            "DATA_DIR": tmp_path / "data",
            "PRICES_FILE": tmp_path / "prices.toml",
            "RETRY_ATTEMPTS": 1,
        }
        service = Service(simulator.base_url, **defaults | settings)
        running.append(service)
        service.wait_ready()
        return service

    yield start
    for service in running:
        service.stop()


def bearer(key, **headers):
    return {"Authorization": f"Bearer {key}"} | headers


def ask(service, key=None, question="hi", path="/chat", **fields):
    """Status, headers, body."""
    headers = {"Content-Type": "application/json"} | (bearer(key) if key else {})
    body = json.dumps({"question": question, **fields})
    return service.request("POST", path, body, headers)


def rows(database, count, timeout=15):
    """The ledger's, once there are this many."""
    until = time.monotonic() + timeout
    while True:
        with database.reading() as connection:
            found = connection.execute(
                select(schema.ledger).order_by(schema.ledger.c.ended_at_us)
            ).all()
        if len(found) >= count:
            return found
        if time.monotonic() > until:
            raise TimeoutError(f"{len(found)} rows, not {count}")
        time.sleep(0.05)


def test_a_service_without_keys_is_open_and_says_so(serve):
    service = serve()
    said = service.event("access")
    assert said["open_to"] == "everybody"
    assert said["limits"] == {"budget_usd_day": 20.0}
    assert said["limits_per_address"] == {"tokens_per_minute": 200_000}
    status, headers, _ = ask(service, "sk-of-somebody-else")
    assert status == 200
    assert headers["x-ratelimit-limit-tokens"] == "200000"
    service.until("chat_access_open", 1)


def test_the_first_key_closes_the_service(serve, address):
    service = serve()
    key = make_key(address, "team-a")
    assert ask(service, key)[0] == 200
    status, headers, body = ask(service)
    check_problem("unauthorized", status, headers, body)
    assert headers["www-authenticate"] == "Bearer"
    service.until("chat_access_open", 0)


@pytest.mark.parametrize("path", ["/chat", "/chat/stream"])
def test_a_wrong_key_is_refused_and_counted_and_never_logged(serve, address, path):
    make_key(address, "team-a")
    service = serve()
    wrong = new_secret()
    for given in (wrong, wrong[:-1] + "!", "csk_" + wrong[4:20]):
        status, headers, body = ask(service, given, path=path)
        check_problem("unauthorized", status, headers, body)
        assert headers["www-authenticate"] == 'Bearer error="invalid_token"'
    service.until("chat_keys_refused_total", 1, problem="unknown")
    service.until("chat_keys_refused_total", 2, problem="malformed")
    assert not service.turns(0)
    assert wrong[4:12] not in "\n".join(service.lines)


def test_a_key_in_the_url_is_refused(serve, address):
    key = make_key(address, "team-a")
    service = serve()
    for path in (f"/chat?key={key}", f"/usage?api_key={key}", f"/chat/stream?{key}"):
        method = "GET" if path.startswith("/usage") else "POST"
        status, headers, body = service.request(method, path, "{}", bearer(key))
        check_problem("unauthorized", status, headers, body)
    assert key[4:12] not in "\n".join(service.lines)


def test_a_disabled_key_stops_within_seconds_and_an_expired_one_at_its_time(serve, address):
    key = make_key(address, "team-a")
    service = serve()
    assert ask(service, key)[0] == 200
    change_key(address, Key("team-a", disabled=True))
    until = time.monotonic() + 5
    while (answer := ask(service, key))[0] == 200:
        assert time.monotonic() < until
        time.sleep(0.1)
    check_problem("forbidden", *answer)
    change_key(address, Key("team-a", expires_at_us=1))
    service.until("chat_keys_refused_total", 1, problem="disabled")


def test_a_caller_learns_how_much_is_left_and_when_to_come_back(serve, address):
    key = make_key(address, "team-a", limits=Limits(requests_per_minute=2, tokens_per_minute=9000))
    service = serve(MAX_OUTPUT_TOKENS=1000)
    status, headers, _ = ask(service, key)
    assert status == 200
    assert headers["x-ratelimit-limit-requests"] == "2"
    assert headers["x-ratelimit-remaining-requests"] == "1"
    assert headers["x-ratelimit-reset-requests"] == "30s"
    assert int(headers["x-ratelimit-remaining-tokens"]) < 9000
    with service.stream("hi", headers=bearer(key)) as stream:
        assert stream.headers["x-ratelimit-remaining-requests"] == "0"
        stream.events()
    status, headers, body = ask(service, key)
    check_problem("rate_limited", status, headers, body)
    assert 1 <= int(headers["retry-after"]) <= 30
    assert headers["x-ratelimit-remaining-requests"] == "0"


def test_money_that_is_spent_is_asked_for_once(serve, address):
    key = make_key(address, "team-a", limits=Limits(budget_day=picodollars(0.0005)))
    service = serve(MAX_OUTPUT_TOKENS=10)
    status, headers, body = ask(service, key)
    check_problem("budget_exceeded", status, headers, body)
    assert headers["x-should-retry"] == "false"
    assert 1 <= int(headers["retry-after"]) <= 86400
    completion = {"model": "sim", "messages": [{"role": "user", "content": "hi"}]}
    status, _, body = service.post("/v1/chat/completions", completion, bearer(key))
    assert (status, body["error"]["code"]) == (429, "insufficient_quota")


def test_openais_clients_get_a_wrong_key_in_their_words(serve, address):
    make_key(address, "team-a")
    service = serve()
    completion = {"model": "sim", "messages": [{"role": "user", "content": "hi"}]}
    status, headers, body = service.post("/v1/chat/completions", completion, bearer(new_secret()))
    assert (status, body["error"]["code"]) == (401, "invalid_api_key")
    assert headers["x-should-retry"] == "false"
    status, _, body = service.request("GET", "/v1/models", headers=bearer(new_secret()))
    assert (status, json.loads(body)["error"]["code"]) == (401, "invalid_api_key")


def test_usage_tells_the_holder_of_a_key(serve, address):
    key = make_key(address, "team-a", limits=Limits(budget_month=picodollars(5)))
    service = serve()
    ask(service, key, directive(tokens=10))
    status, _, body = service.request("GET", "/usage", headers=bearer(key))
    told = json.loads(body)
    assert (status, told["key"]) == (200, "team-a")
    assert told["limits"] == {"budget_usd_month": 5.0}
    status, headers, body = service.request("GET", "/usage")
    check_problem("unauthorized", status, headers, body)


def asked_in_every_way(service, key):
    """Turns that are completed, failed, cut, left, invalid, not allowed and refused; how many."""
    numbers = itertools.count()

    def headers():
        ids = {"X-Request-ID": f"request-{next(numbers):04}", "X-User-ID": "user-0001"}
        return bearer(key, **ids)

    completion = {"model": "sim", "messages": [{"role": "user", "content": directive(tokens=8)}]}
    service.post("/v1/chat/completions", completion, headers())
    for fault in ({"tokens": 7}, {"fault": "status", "status": 500}, {"fault": "cut", "after": 3}):
        service.post("/chat", {"question": directive(**fault)}, headers())
    with service.stream(directive(fault="cut", after=5, tokens=9), headers=headers()) as stream:
        assert stream.events()[-2].name == "error"
    with service.stream(directive(tokens=400, gap=0.05), headers=headers()) as stream:
        events = iter(stream)
        for _ in range(6):
            next(events)
    service.post("/chat", {"question": ""}, headers())
    service.post("/chat", {"question": "hi", "model": "other"}, headers())
    for path in ("/chat", "/chat/stream"):
        assert service.post(path, {"question": "hi"}, headers())[0] == 429
    return next(numbers)


def test_ledger_log_metrics_and_the_models_record_agree_to_the_token(
    serve, simulator, address, database
):
    key = make_key(address, "team-a", limits=Limits(requests_per_minute=6))
    service = serve()
    count = asked_in_every_way(service, key)
    found = rows(database, count)
    turns = {turn["turn_id"]: turn for turn in service.turns(count)}
    assert {row.turn_id for row in found} == turns.keys()
    for row in found:
        turn = turns[row.turn_id]
        assert (row.key, row.user_id, row.request_id) == (
            "team-a",
            "user-0001",
            turn["request_id"],
        )
        assert (row.ending, row.code, row.route) == (turn["ending"], turn["code"], turn["route"])
        assert (row.input_tokens, row.output_tokens) == (
            turn["input_tokens"],
            turn["output_tokens"],
        )
        assert row.cost == picodollars(turn["cost_usd"])
    endings = Counter(row.ending for row in found)
    assert endings == {
        "completed": 2,
        "upstream_failed": 3,
        "disconnected": 1,
        "invalid": 2,
        "rejected": 2,
    }
    simulator.wait(open_max=0)
    seen = {each["headers"]["x-request-id"]: [each] for each in simulator.requests()}
    assert len(seen) == sum(len(turn["attempts"]) for turn in turns.values()) > 0
    complaints = [upstream_differences(seen, turn, bills=True) for turn in turns.values()]
    assert complaints == [[]] * count
    for kind in ("input", "output"):
        tokens = sum(getattr(row, f"{kind}_tokens") for row in found)
        metric = service.metric("gen_ai_client_token_usage_sum", gen_ai_token_type=kind)
        assert metric == tokens > 0
    tokens = sum(row.input_tokens + row.output_tokens for row in found)
    assert service.metric("chat_key_tokens_total", key="team-a") == tokens
    cost = sum(row.cost for row in found)
    assert service.metric("chat_key_cost_usd_total", key="team-a") == pytest.approx(cost / 10**12)
    assert service.metric("chat_key_turns_total", key="team-a") == count


def test_a_hundred_turns_of_one_request_id_are_a_hundred_rows_and_costs(serve, address, database):
    key = make_key(address, "team-a", limits=Limits(budget_month=picodollars(100)))
    service = serve()
    same = bearer(key, **{"X-Request-ID": "the-same-id"})
    for _ in range(100):
        assert service.post("/chat", {"question": directive(tokens=2)}, same)[0] == 200
    found = rows(database, 100)
    told = json.loads(service.request("GET", "/usage", headers=bearer(key))[2])
    assert len(found) == 100
    assert told["spent_usd_month"] == pytest.approx(sum(row.cost for row in found) / 10**12)


AGENT = """
from langchain_core.runnables import RunnableLambda

def build_chain(model):
    def many(asked):
        for _ in range(20):
            model.invoke(asked["question"])
        return "done"
    return RunnableLambda(many)
"""


def test_an_agent_stops_where_its_money_ends(serve, address, database):
    each = 100 * 100 * 10**6
    key = make_key(address, "team-a", limits=Limits(budget_day=5 * each))
    service = serve(chain=AGENT, MAX_OUTPUT_TOKENS=100)
    status, headers, body = ask(service, key, directive(tokens=100))
    check_problem("budget_exceeded", status, headers, body)
    [row] = rows(database, 1)
    assert (row.ending, row.code) == ("rejected", "budget_exceeded")
    assert 4 <= row.calls <= 5
    assert 4 * each <= row.cost <= 5 * each


def test_a_key_for_one_model_and_one_chain_gets_no_other(serve, address):
    key = make_key(address, "team-a", models=frozenset({"sim"}))
    service = serve(LLM_MODELS="large")
    assert ask(service, key)[0] == 200
    check_problem("forbidden", *ask(service, key, model="large"))


TWO_CHAINS = SHIPPED_CHAIN.read_text() + 'CHAINS["other"] = build_chat\n'
# models and chains of a key, and what it may name as a model in OpenAI's API
NAMES = [
    (None, None, {"sim", "large", "chat", "other"}),
    ({"sim"}, {"chat"}, {"sim", "chat"}),
    ({"sim"}, None, {"sim", "chat", "other"}),
    # a chain's name is asked for with the default model, and a model's with the default chain
    ({"large"}, None, {"large"}),
    (None, {"other"}, {"other"}),
]


def test_openais_clients_are_shown_what_their_key_may_use_and_get_no_other(serve, address):
    service = serve(LLM_MODELS="large", chain=TWO_CHAINS)
    for number, (models, chains, names) in enumerate(NAMES):
        headers = bearer(make_key(address, f"team-{number}", models=models, chains=chains))
        status, _, body = service.request("GET", "/v1/models", headers=headers)
        assert (status, {each["id"] for each in json.loads(body)["data"]}) == (200, names)
        for name in ("sim", "large", "chat", "other"):
            status, _, body = service.request("GET", f"/v1/models/{name}", headers=headers)
            unknown = json.loads(body).get("error", {}).get("code")
            assert (status, unknown) == ((200, None) if name in names else (404, "model_not_found"))
            completion = {"model": name, "messages": [{"role": "user", "content": "hi"}]}
            status, answered, told = service.post("/v1/chat/completions", completion, headers)
            if name in names:
                assert (status, told["model"]) == (200, "large" if name == "large" else "sim")
            else:
                error = told["error"]
                assert (status, error["code"], error["type"]) == (
                    403,
                    "forbidden",
                    "permission_error",
                )
                assert answered["x-should-retry"] == "false"


def test_a_model_without_a_price_is_not_for_a_budget(serve, address):
    key = make_key(address, "team-a", limits=Limits(budget_day=10**12))
    service = serve(LLM_MODELS="unpriced")
    check_problem("forbidden", *ask(service, key, model="unpriced"))
    assert ask(service, key)[0] == 200


def test_rows_of_the_last_turns_are_written_when_the_service_stops(serve, database):
    service = serve(WEB_CONCURRENCY=2)
    for _ in range(30):
        assert ask(service, None, directive(tokens=2))[0] == 200
    service.signal(signal.SIGTERM)
    service.wait(60)
    assert len(rows(database, 30)) == 30


@pytest.mark.slow
def test_a_worker_that_is_killed_leaves_a_row_for_each_of_its_answers(serve, address, database):
    key = make_key(address, "team-a", limits=Limits(open_answers=5, budget_day=10**12))
    service = serve(MAX_OUTPUT_TOKENS=50)
    streams = [service.stream(directive(tokens=50, gap=1), headers=bearer(key)) for _ in range(5)]
    for stream in streams:
        assert next(iter(stream)).name == "start"
    check_problem("rate_limited", *ask(service, key))
    rows(database, 1)
    os.kill(service.workers()[0], signal.SIGKILL)
    for stream in streams:
        stream.close()
    found = rows(database, 6, timeout=75)
    lost = [row for row in found if row.lost]
    assert [(row.ending, row.code) for row in lost] == [("failed", "internal")] * 5
    told = json.loads(service.request("GET", "/usage", headers=bearer(key))[2])
    assert told["open_answers"] == 0
    assert told["remaining"]["usd_day"] == 1.0
    assert ask(service, key)[0] == 200


def test_known_keys_go_on_while_the_store_is_away(own_service):
    service, store, key = own_service
    assert ask(service, key)[0] == 200
    store.kill()
    for _ in range(20):
        assert ask(service, key)[0] == 200
    assert service.get("/ready")[0] == 200
    check_problem("unavailable", *ask(service, new_secret()))
    service.until("chat_dependency_up", 0, dependency="database")
    store.start()
    service.until("chat_dependency_up", 1, dependency="database")
    service.until("chat_ledger_waiting", 0)
    database = Database(database_url(store.address()))
    assert len(rows(database, 21)) == 21
    database.forget()


@pytest.fixture
def own_service(simulator, tmp_path):
    from service.access.migrate import migrate
    from tests.support.postgres import PostgresServer

    with PostgresServer() as store:
        migrate(database_url(store.address()))
        key = make_key(store.address(), "team-a")
        settings = {"DATABASE_URL": store.address(), "DATA_DIR": tmp_path}
        with Service(simulator.base_url, **settings) as service:
            yield service, store, key


# what the start says


def refusal(**settings):
    """The sentence with which the service refuses to start."""
    service = Service("http://127.0.0.1:9/v1", **settings)
    code = service.wait(60)
    service.stop()
    assert code != 0
    [sentence] = [line for line in service.lines if "cannot start" in line]
    return sentence


def test_a_published_service_does_not_start_open_by_mistake(tmp_path):
    sentence = refusal(DATA_DIR=unlimited_store(tmp_path), BIND_ADDRESS="0.0.0.0")
    assert "flask keys create --name team-a`" in sentence
    assert "ACCESS=open" in sentence


@pytest.mark.parametrize("settings", [{"ACCESS": "open"}, {"ACCESS": "keys"}, {}])
def test_a_published_service_starts_once_its_access_is_decided(simulator, tmp_path, settings):
    folder = unlimited_store(tmp_path)
    if not settings:
        make_key(f"sqlite:///{folder / FILE}", "team-a")
    published = {"DATA_DIR": folder, "BIND_ADDRESS": "0.0.0.0"} | settings
    with Service(simulator.base_url, **published) as service:
        assert service.get("/ready")[0] == 200


def test_a_database_that_is_not_there_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot be made" in refusal(DATA_DIR=tmp_path / "file")
    assert "is no database" in refusal(DATA_DIR=_with_nonsense(tmp_path))


def _with_nonsense(folder):
    (folder / FILE).write_text("a diary, and a long one at that" * 40)
    return folder


def test_another_database_than_the_one_before_is_refused(postgres, postgres_address, tmp_path):
    settings = {"DATABASE_URL": postgres_address, "DATA_DIR": tmp_path}
    from service.access.migrate import migrate

    migrate(database_url(postgres_address))
    (tmp_path / "store-identity").write_text("0" * 32)
    assert "is not the one that this service used before" in refusal(**settings)


def test_the_commands_see_what_the_service_does(serve, address, database, tmp_path):
    service = serve()
    ask(service, None, directive(tokens=3))
    rows(database, 1)
    environment = os.environ | {
        "FLASK_APP": "service.commands",
        "DATABASE_URL": address,
        "DATA_DIR": str(tmp_path / "data"),
    }
    command = [sys.executable, "-m", "flask", "usage", "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    [used] = json.loads(done.stdout)
    assert (used["key"], used["turns"], used["completed"]) == (ANONYMOUS, 1, 1)


def test_a_log_restores_what_the_ledger_lost(serve, address, database, tmp_path):
    service = serve()
    for _ in range(3):
        ask(service, None, directive(tokens=3))
    before = rows(database, 3)
    log = "\n".join(service.lines)
    with database.writing() as connection:
        connection.execute(schema.ledger.delete())
    environment = os.environ | {
        "FLASK_APP": "service.commands",
        "DATABASE_URL": address,
        "DATA_DIR": str(tmp_path / "data"),
    }
    command = [sys.executable, "-m", "flask", "ledger", "restore", "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, input=log, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {"read": 3, "new": 3, "unusable": 0}
    same = ("turn_id", "key", "user_id", "ending", "input_tokens", "output_tokens", "cost", "calls")
    after = rows(database, 3)
    wanted = {tuple(getattr(row, name) for name in same) for row in before}
    assert {tuple(getattr(row, name) for name in same) for row in after} == wanted
