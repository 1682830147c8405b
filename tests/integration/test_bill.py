"""The bill is true: metric, log and the LLM's own record agree, whatever happened to the answers."""

import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.service import Service
from tests.support.simulator import SimulatorProcess, directive

MODELS = ("sim", "spare")
# US dollars per million tokens: in, out
PRICES = {"sim": (1.0, 4.0), "spare": (2.0, 8.0)}
LIST = "".join(
    f'[models."{name}"]\ninput = {asked}\ncached_input = {asked}\noutput = {answered}\nas_of = 2026-01-01\n'
    for name, (asked, answered) in PRICES.items()
)
WHOLE, RETRIED, RESTARTED, LEFT, HELD = 8, 5, 5, 6, 6
USAGE = "gen_ai_client_token_usage_sum"


@dataclass(frozen=True)
class Account:
    """A run that is over. received: leavers' words by request id; killed: answers that died with a worker."""

    simulator: SimulatorProcess
    service: Service
    turns: list[dict[str, Any]]
    received: dict[str, int]
    killed: int

    def attempts(self, source=None):
        found = [attempt for turn in self.turns for attempt in turn["attempts"]]
        return [each for each in found if source in (None, each["source"])]

    def cost(self):
        return sum(self.service.metric("chat_cost_usd_total", model=model) for model in MODELS)


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    prices = tmp_path_factory.mktemp("bill") / "prices.toml"
    prices.write_text(LIST)
    settings = {"FALLBACK_MODEL": "spare", "PRICES_FILE": prices, "BREAKER_FAILURES": 1_000_000}
    with (
        SimulatorProcess() as simulator,
        Service(simulator.base_url, WEB_CONCURRENCY=2, **settings) as service,
    ):
        received = run(service)
        killed = kill_one_of_two_workers(service)
        simulator.wait(open_max=0, timeout=30)
        service.until("chat_turns_in_flight", 0)
        ended = WHOLE + RETRIED + RESTARTED + LEFT + HELD - killed
        yield Account(simulator, service, service.turns(ended, 30), received, killed)


def run(service):
    """Answers, retries, restarts and callers who leave, side by side; how many words each leaver had got."""
    asked = [
        *(directive(tokens=10 + each) for each in range(WHOLE)),
        *(directive(fault=500, times=1, key=f"again-{each}", tokens=12) for each in range(RETRIED)),
        *[directive(model="sim", fault="cut", tokens=30, after=9)] * RESTARTED,
    ]
    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(lambda question: whole(service, question), asked))
        left = list(crowd.map(lambda each: leave(service, f"leaver-{each:04}"), range(LEFT)))
    assert answers == ["done"] * len(asked)
    return dict(left)


def whole(service, question):
    with service.stream(question) as stream:
        return stream.events()[-2].name


def leave(service, request_id):
    words = 0
    headers = {"X-Request-ID": request_id}
    with service.stream(directive(tokens=400, gap=0.03), headers=headers) as stream:
        for event in stream:
            words += len(event.json()["text"].split()) if event.name == "token" else 0
            if words >= 25:
                break
    return request_id, words


def kill_one_of_two_workers(service):
    """Half of the answers that are held die with it; the others are left by their callers. How many died."""
    service.until("chat_turns_in_flight", 0)
    one, other = service.workers()
    streams = [*hold(service, stopped=other), *hold(service, stopped=one)]
    os.kill(one, signal.SIGKILL)
    service.until("chat_worker_exits_total", 1, reason="killed")
    for stream in streams:
        stream.close()
    return HELD // 2


def hold(service, stopped):
    """Answers of the worker that is not stopped."""
    os.kill(stopped, signal.SIGSTOP)
    try:
        question = directive(tokens=4000, gap=0.1)
        return [service.stream(question).open() for _ in range(HELD // 2)]
    finally:
        os.kill(stopped, signal.SIGCONT)


def tokens(attempts, model, kind):
    return sum(each[f"{kind}_tokens"] for each in attempts if each["model"] == model)


def used(attempt):
    return attempt["input_tokens"] + attempt["output_tokens"]


def test_the_run_was_what_it_was_meant_to_be(account):
    endings = Counter(turn["ending"] for turn in account.turns)
    assert endings == {
        "completed": WHOLE + RETRIED + RESTARTED,
        "disconnected": LEFT + HELD - account.killed,
    }
    assert account.service.metric("chat_llm_retries_total") == RETRIED
    assert account.service.metric("chat_restarts_total") == RESTARTED


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", ["input", "output"])
def test_what_was_reported_is_billed_exactly(account, model, kind):
    told = account.simulator.stats(model)[f"{kind}_tokens"]
    assert told > 0
    assert tokens(account.attempts("reported"), model, kind) == told


@pytest.mark.parametrize("model", MODELS)
def test_log_and_metrics_agree_in_tokens_and_money(account, model):
    attempts = account.attempts()
    counted = {kind: tokens(attempts, model, kind) for kind in ("input", "output")}
    for kind, count in counted.items():
        labels = {"gen_ai_request_model": model, "gen_ai_token_type": kind}
        assert account.service.metric(USAGE, **labels) == count
    asked, answered = PRICES[model]
    cost = (counted["input"] * asked + counted["output"] * answered) / 1e6
    assert account.service.metric("chat_cost_usd_total", model=model) == pytest.approx(cost)


def test_the_turns_costs_add_up(account):
    assert account.cost() == pytest.approx(sum(turn["cost_usd"] for turn in account.turns))


def test_an_estimate_is_no_more_than_was_written_and_hardly_less_than_arrived(account):
    written = {
        each["headers"].get("x-request-id"): each["tokens_written"]
        for each in account.simulator.requests()
    }
    estimated = [
        (turn["request_id"], attempt)
        for turn in account.turns
        for attempt in turn["attempts"]
        if attempt["source"] == "estimated"
    ]
    assert len(estimated) >= LEFT + RESTARTED
    for request_id, attempt in estimated:
        arrived = account.received.get(request_id, 0)
        most = written[attempt["id"]]
        assert 0.95 * arrived - 20 <= attempt["output_tokens"] <= most


def test_waste_is_every_attempt_whose_answer_nobody_got(account):
    wasted = Counter()
    for turn in account.turns:
        for attempt in turn["attempts"]:
            if turn["ending"] == "disconnected":
                wasted["disconnect"] += used(attempt)
            elif attempt["result"] != "ok":
                wasted["restart"] += used(attempt)
    assert set(wasted) == {"disconnect", "restart"}
    for reason, count in wasted.items():
        assert account.service.metric("chat_tokens_wasted_total", reason=reason) == count


def test_the_turns_of_a_killed_worker_are_missing_and_their_number_is_known(account):
    metric = account.service.metric
    running = metric("chat_turns_in_flight")
    lost = metric("chat_turns_started_total") - metric("chat_turns_total") - running
    assert lost == account.killed > 0


def test_in_flight_is_true_again_within_two_scrapes_of_a_kill(serve, simulator):
    service = serve(WEB_CONCURRENCY=1)
    held = [service.stream(directive(tokens=4000, gap=0.1)).open() for _ in range(5)]
    assert service.metric("chat_turns_in_flight") == 5
    worker = service.workers()[0]
    os.kill(worker, signal.SIGKILL)
    service.until("chat_worker_exits_total", 1, reason="killed")
    assert service.metric("chat_turns_in_flight") == 0
    for stream in held:
        stream.close()
