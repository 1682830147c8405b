"""The catalogue, what is exported, and what people outside rely on are the same metrics."""

import re

import pytest
from prometheus_client import Gauge

from service.access.allowance import Limits
from service.telemetry import metrics
from tests.support.access_store import FILE, make_key, unlimited_store
from tests.support.service import Service, free_port
from tests.support.simulator import SimulatorProcess, directive
from tests.tools.metrics_data import exported

GEN_AI = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")

# dashboards, alerts and people's own queries: a name or label that changes here breaks them
CONTRACT = {
    "gen_ai_client_operation_duration_seconds": ("histogram", (*GEN_AI, "error_type")),
    "gen_ai_client_operation_time_to_first_chunk_seconds": ("histogram", GEN_AI),
    "gen_ai_client_operation_time_per_output_chunk_seconds": ("histogram", GEN_AI),
    "gen_ai_client_token_usage": ("histogram", (*GEN_AI, "gen_ai_token_type")),
    "chat_turns_started_total": ("counter", ("route",)),
    "chat_turns_total": ("counter", ("route", "ending")),
    "chat_turn_duration_seconds": ("histogram", ("route", "ending")),
    "chat_turn_time_to_first_token_seconds": ("histogram", ("route",)),
    "chat_turn_time_to_first_sign_seconds": ("histogram", ("route",)),
    "chat_turn_longest_gap_seconds": ("histogram", ("route",)),
    "chat_turns_in_flight": ("gauge", ()),
    "chat_admission_slots": ("gauge", ()),
    "chat_answers_cut_total": ("counter", ("route", "ending")),
    "chat_overhead_seconds": ("histogram", ()),
    "chat_llm_attempts_total": ("counter", ("model", "result")),
    "chat_adapted_parameters_total": ("counter", ("model", "parameter")),
    "chat_llm_refusals_total": ("counter", ("model", "reason")),
    "chat_llm_retries_total": ("counter", ("reason",)),
    "chat_retries_denied_total": ("counter", ("reason",)),
    "chat_fallbacks_total": ("counter", ("reason",)),
    "chat_restarts_total": ("counter", ("reason",)),
    "chat_breaker_state": ("gauge", ("model",)),
    "chat_step_seconds": ("histogram", ("chain", "step")),
    "chat_loop_lag_seconds": ("histogram", ()),
    "chat_chain_turns_total": ("counter", ("chain", "ending")),
    "chat_cost_usd_total": ("counter", ("model",)),
    "chat_tokens_wasted_total": ("counter", ("reason",)),
    "chat_usage_estimated_total": ("counter", ("model", "result")),
    "chat_unpriced_tokens_total": ("counter", ("model",)),
    "chat_dependency_up": ("gauge", ("dependency",)),
    "chat_key_turns_total": ("counter", ("key", "ending")),
    "chat_key_tokens_total": ("counter", ("key", "type")),
    "chat_key_cost_usd_total": ("counter", ("key",)),
    "chat_key_refusals_total": ("counter", ("key", "limit")),
    "chat_key_budget_used_ratio": ("gauge", ("key", "period")),
    "chat_keys_refused_total": ("counter", ("problem",)),
    "chat_access_open": ("gauge", ()),
    "chat_ledger_waiting": ("gauge", ()),
    "chat_ledger_rows_dropped_total": ("counter", ()),
    "chat_leases_swept_total": ("counter", ()),
    "chat_log_lines_dropped_total": ("counter", ()),
    "chat_build_info": ("gauge", ("version", "llm_client")),
    "chat_workers": ("gauge", ()),
    "chat_worker_exits_total": ("counter", ("reason",)),
    "chat_memory_bytes": ("gauge", ()),
    "chat_cpu_seconds_total": ("counter", ()),
    "chat_metrics_directory_bytes": ("gauge", ()),
}
# gauges that add up or compare live workers: any other kind keeps the dead, or names every worker
LIVE = {"livesum", "livemax", "livemin"}


def test_the_catalogue_is_the_contract():
    assert {each.name: (each.kind, tuple(each.labels)) for each in exported()} == CONTRACT


def test_every_metric_says_what_it_is():
    for each in exported():
        assert re.fullmatch(r"[A-Z0-9].*\.", each.text), each.name


def test_gauges_are_of_live_workers():
    gauges = [value for value in vars(metrics).values() if isinstance(value, Gauge)]
    assert gauges
    assert {gauge._multiprocess_mode for gauge in gauges} <= LIVE


CHAIN = """
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

PROMPT = ChatPromptTemplate.from_messages([("human", "{question}")])

def search(asked):
    return asked

CHAINS = {
    "chat": lambda model: PROMPT | model,
    "searching": lambda model: RunnableLambda(search) | PROMPT | model,
}
"""


@pytest.fixture(scope="module")
def exposed(tmp_path_factory):
    """The text of a scrape after a bit of everything."""
    folder = unlimited_store(tmp_path_factory.mktemp("data"))
    make_key(f"sqlite:///{folder}/{FILE}", "team-a", limits=Limits(budget_day=1, budget_month=1))
    settings = {
        "DATA_DIR": folder,
        "ACCESS": "open",
        "LLM_MODEL": "gpt-4o-mini",
        "LLM_MODELS": "sim",
        "FALLBACK_MODEL": "sim-spare",
        # nobody is there: a dependency that is down is a metric, too
        "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
    }
    with (
        SimulatorProcess() as simulator,
        Service(simulator.base_url, chain=CHAIN, **settings) as service,
    ):
        service.chat("hi", chain="searching")
        for question in (
            directive(tokens=3, gap=0.01),
            directive(fault="status", status=503, times=1, key="retry"),
            directive(fault="status", status=503, retry_after=60, times=1, key="denied"),
            directive(fault="cut", after=2, times=1, key="restart"),
        ):
            for model in ("gpt-4o-mini", "sim"):
                service.chat(question, model=model)
        service.until("chat_dependency_up", 0, dependency="redis")
        service.until("chat_ledger_waiting", 0)
        yield service.get("/metrics", port=service.metrics_port)[2].decode()


def test_what_is_exported_is_the_contract_with_its_types(exposed):
    exported = dict(re.findall(r"^# TYPE (\S+) (\S+)$", exposed, re.MULTILINE))
    assert exported == {name: kind for name, (kind, _) in CONTRACT.items()}


def test_each_exported_sample_has_the_labels_of_the_contract(exposed):
    """A metric that is declared and never fed would have none."""
    samples = {
        name: (each.name, labels) for each in exported() for name, labels in each.samples.items()
    }
    seen = set()
    for name, given in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", exposed, re.MULTILINE):
        family, labels = samples[name]
        found = dict(re.findall(r'(\w+)="([^"]*)"', given))
        assert found.keys() == labels.keys(), name
        for label, value in found.items():
            assert labels[label] is None or value in labels[label], (name, label)
        seen.add(family)
    assert seen == CONTRACT.keys()
