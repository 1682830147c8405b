"""The commands at a terminal: what they do, what they print, and one sentence for each mistake."""

import json
import stat
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from service.access import registry
from service.access.ledger import Call, Facts, LedgerRow
from service.access.periods import Calendar
from service.access.secret import digest, is_well_formed
from service.access.spool import Spool
from service.access.store import Store
from service.commands import create_app
from tests.support.service import ROOT

HOUR_US = 3600 * 1_000_000


@pytest.fixture
def run(address, tmp_path, monkeypatch):
    """A command's result."""
    monkeypatch.setenv("DATABASE_URL", address)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TZ", "Asia/Seoul")
    monkeypatch.setenv("LLM_MODEL", "main")
    monkeypatch.setenv("LLM_MODELS", "small")
    runner = create_app().test_cli_runner()

    def invoke(*words, log=None):
        return runner.invoke(args=list(words), input=log)

    return invoke


@pytest.fixture
def told(run):
    """What a command that succeeds prints with --json."""

    def invoke(*words, log=None):
        result = run(*words, "--json", log=log)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return invoke


def test_a_key_is_printed_once_and_kept_as_a_hash(run, told, database):
    made = told("keys", "create", "--name", "team-a")
    assert made.keys() == {"key", "name"}
    assert is_well_formed(made["key"])
    assert made["name"] == "team-a"
    with database.reading() as connection:
        changes = registry.changes_since(connection, -1)
    assert [found[0] for found in changes.secrets] == [digest(made["key"])]
    for words in (["keys", "list"], ["keys", "show", "team-a"], ["keys", "list", "--json"]):
        assert made["key"][4:12] not in run(*words).output


def test_a_key_at_a_terminal_is_the_only_line_of_its_output(run):
    result = run("keys", "create", "--name", "team-a")
    assert is_well_formed(result.stdout.strip())
    assert "not shown again" in result.stderr


def test_a_key_goes_into_a_new_file_that_nobody_else_reads(run, tmp_path):
    result = run("keys", "create", "--name", "team-a", "--out", str(tmp_path / "key"))
    assert result.output == ""
    assert is_well_formed((tmp_path / "key").read_text().strip())
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    refused = run("keys", "create", "--name", "team-b", "--out", str(tmp_path / "key"))
    assert refused.exit_code == 1
    assert "team-b" not in run("keys", "list").output


def test_everything_that_a_key_may_be_limited_to_is_shown(told):
    limits = {
        "requests-per-minute": 10,
        "tokens-per-minute": 20000,
        "open-answers": 3,
        "budget-usd-day": 1.5,
        "budget-usd-month": 20,
    }
    words = [word for name, value in limits.items() for word in (f"--{name}", str(value))]
    words += ["--per-user-open-answers", "1", "--models", "main,small", "--chains", "search"]
    told(
        "keys", "create", "--name", "team-a", "--expires", "2027-01-01", "--allow-unpriced", *words
    )
    shown = told("keys", "show", "team-a")
    assert shown["limits"] == {name.replace("-", "_"): value for name, value in limits.items()}
    assert shown["per_user"] == {"open_answers": 1}
    assert (shown["models"], shown["chains"]) == (["main", "small"], ["search"])
    assert shown["allow_unpriced"] is True
    # the day begins where the operator is
    assert shown["expires"] == "2026-12-31T15:00:00Z"
    assert shown["state"] == "active"


def test_limits_are_changed_one_by_one_and_taken_away(told):
    told("keys", "create", "--name", "team-a", "--open-answers", "3", "--budget-usd-day", "5")
    told("keys", "limit", "team-a", "--budget-usd-day", "7", "--models", "main")
    changed = told("keys", "limit", "team-a", "--open-answers", "none", "--models", "all")
    assert changed["limits"] == {"budget_usd_day": 7}
    assert changed["models"] is None


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_two_changes_at_the_same_time_are_both_kept(told, database):
    told("keys", "create", "--name", "team-a")
    limit = threading.Thread(target=told, args=("keys", "limit", "team-a", "--open-answers", "3"))
    with database.writing() as connection:
        stored = registry.find_to_change(connection, "team-a")
        registry.change(connection, Calendar("UTC"), replace(stored.key, disabled=True))
        limit.start()
        # long enough for a command that does not wait to read the key
        limit.join(0.2)
    limit.join()
    shown = told("keys", "show", "team-a")
    assert (shown["state"], shown["limits"]) == ("disabled", {"open_answers": 3})


def test_open_access_is_limited_as_keys_are(told):
    told("keys", "limit", "anonymous", "--per-user-tokens-per-minute", "1000")
    changed = told("keys", "limit", "anonymous", "--budget-usd-day", "none")
    assert (changed["limits"], changed["per_user"]) == ({}, {"tokens_per_minute": 1000})


def test_a_key_is_disabled_and_taken_again(told):
    told("keys", "create", "--name", "team-a")
    assert told("keys", "disable", "team-a")["state"] == "disabled"
    assert told("keys", "enable", "team-a")["state"] == "active"


def test_a_rotated_key_has_two_secrets_for_a_while(told, database):
    first = told("keys", "create", "--name", "team-a")["key"]
    second = told("keys", "rotate", "team-a", "--overlap", "2h")["key"]
    assert first != second
    with database.reading() as connection:
        ends = {found: end for found, _, end in registry.changes_since(connection, -1).secrets}
    assert ends[digest(second)] is None
    left_us = ends[digest(first)] - time.time_ns() // 1000
    assert 1.9 * HOUR_US < left_us <= 2 * HOUR_US
    told("keys", "rotate", "team-a", "--overlap", "none")
    told("keys", "rotate", "team-a", "--overlap", "none")
    with database.reading() as connection:
        assert len(registry.changes_since(connection, -1).secrets) == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["create", "--name", "team-a"], 'There is a key named "team-a" already.'),
        (["create", "--name", "Team A"], "lower-case letters"),
        (["create", "--name", "b", "--budget-usd-day", "-5"], "US dollars from 0"),
        (["create", "--name", "b", "--budget-usd-day", "nan"], "US dollars from 0"),
        (["create", "--name", "b", "--budget-usd-day", "much"], "US dollars from 0"),
        (["create", "--name", "b", "--budget-usd-day", "1_0"], "US dollars from 0"),
        (["create", "--name", "b", "--budget-usd-day", "١٠"], "US dollars from 0"),
        (["create", "--name", "b", "--expires", "١d"], "must be a day"),
        (["create", "--name", "b", "--open-answers", "0"], "from 1"),
        (["create", "--name", "b", "--open-answers", "-1"], "whole number"),
        (["create", "--name", "b", "--open-answers", "1.5"], "whole number"),
        (["create", "--name", "b", "--open-answers", "1" * 5000], "from 1"),
        (["create", "--name", "b", "--models", ","], "names separated by commas"),
        (["create", "--name", "b", "--models", "gpt-9"], '"gpt-9" is not a model'),
        (["create", "--name", "b", "--expires", "soon"], "must be a day"),
        (["create"], "Missing option '--name'"),
        (["limit", "team-a"], "Name a limit to change"),
        (["limit", "nobody", "--open-answers", "1"], 'There is no key named "nobody".'),
        (["show", "nobody"], 'There is no key named "nobody".'),
        (["disable", "nobody"], 'There is no key named "nobody".'),
        (["rotate", "nobody"], 'There is no key named "nobody".'),
        (["rotate", "anonymous"], "no key that could be rotated"),
        (["rotate", "team-a", "--overlap", "2026-01-01"], "cannot end in the past"),
    ],
)
def test_a_mistake_is_a_sentence_and_changes_nothing(run, told, words, sentence):
    told("keys", "create", "--name", "team-a")
    before = told("keys", "list")
    result = run("keys", *words)
    assert result.exit_code != 0
    assert sentence in result.stderr
    assert "Traceback" not in result.output
    assert told("keys", "list") == before


def spend(store, key, user, calls, *, at_us=None, ending="completed"):
    facts = Facts(str(uuid.uuid4()), "request-1", key, user, "/chat")
    at_us = time.time_ns() // 1000 if at_us is None else at_us
    store.restore([LedgerRow(facts, ending, None, at_us, 10, calls)])


def test_usage_is_summed_by_what_is_asked(told, store):
    told("keys", "create", "--name", "team-a")
    both = (Call("main", 100, 10, cost=3_000_000_000), Call("small", 5, 1))
    spend(store, "team-a", "user-0001", both)
    spend(store, "team-a", "user-0002", both[:1])
    spend(store, "team-b", None, (), ending="rejected")
    by_key = {row["key"]: row for row in told("usage")}
    assert by_key["team-a"] == {
        "key": "team-a",
        "turns": 2,
        "completed": 2,
        "model_calls": 3,
        "input_tokens": 205,
        "cached_input_tokens": 0,
        "output_tokens": 21,
        "estimated_tokens": 0,
        "unpriced_tokens": 6,
        "cost_usd": 0.006,
    }
    assert (by_key["team-b"]["turns"], by_key["team-b"]["completed"]) == (1, 0)
    by_model = {row["model"]: row for row in told("usage", "--by", "model")}
    assert by_model["main"]["input_tokens"] == 200
    assert (by_model["small"]["turns"], by_model["small"]["unpriced_tokens"]) == (1, 6)
    assert sum(row["cost_usd"] for row in by_model.values()) == pytest.approx(0.006)
    users = [row["user"] for row in told("usage", "--by", "user", "--key", "team-a")]
    assert users == ["user-0001", "user-0002"]


def test_usage_is_of_the_days_of_the_time_zone(told, database):
    store = Store(database, Calendar("Asia/Seoul"), "worker-1")
    # October's last evening in London is November in Seoul
    for hour in (14, 15):
        at_us = int(datetime(2026, 10, 31, hour, 30, tzinfo=UTC).timestamp()) * 1_000_000
        spend(store, "team-a", None, (), at_us=at_us)
    days = [row["day"] for row in told("usage", "--by", "day", "--since", "2026-10-01")]
    assert days == ["2026-10-31", "2026-11-01"]
    [november] = told("usage", "--since", "2026-11-01", "--until", "2026-11-02")
    assert november["turns"] == 1


def test_usage_is_printed_as_a_table_and_as_csv(run, store):
    spend(store, "team-a", "=1+1", (Call("main", 1, 1, cost=10**12),))
    table = run("usage").stdout.splitlines()
    assert table[0].split()[:2] == ["key", "turns"]
    assert table[1].split()[-1] == "1.00"
    lines = run("usage", "--by", "user", "--csv").stdout.splitlines()
    assert lines[0].startswith("user,turns,")
    # no formula for a spreadsheet
    assert lines[1].startswith("'=1+1,1,")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--since", "tomorrow"], "must be a day"),
        (["--since", "2026-11-02", "--until", "2026-11-01"], "--since must be before --until"),
        (["--by", "hour"], "'hour' is not one of"),
        (["--key", "nobody"], 'There is no key named "nobody".'),
    ],
)
def test_a_report_of_nothing_that_is_says_why(run, words, sentence):
    result = run("usage", *words)
    assert result.exit_code != 0
    assert sentence in result.stderr


def log_line(turn_id, **changes):
    line = {
        "event": "turn",
        "turn_id": turn_id,
        "request_id": "request-1",
        "key": "team-a",
        "key_user": "user-0001",
        "route": "/chat",
        "model": "main",
        "ending": "completed",
        "code": None,
        "time": "2026-11-25T10:00:00.000+00:00",
        "duration_seconds": 1.5,
        "attempts": [
            {
                "model": "main",
                "input_tokens": 7,
                "output_tokens": 2,
                "source": "reported",
                "cost_usd": 0.25,
            },
            {
                "model": "main",
                "input_tokens": 0,
                "output_tokens": 0,
                "source": None,
                "cost_usd": None,
            },
        ],
    }
    return json.dumps(line | changes, separators=(",", ":"))


def test_rows_that_are_missing_come_back_from_the_log_and_no_row_twice(told, store):
    told("keys", "create", "--name", "team-a")
    one, two = str(uuid.uuid4()), str(uuid.uuid4())
    log = "\n".join(
        [
            "service-1  | " + log_line(one),
            log_line(two, key="gone-long-ago"),
            log_line(one),
            '{"event":"breaker","model":"main"}',
            "not JSON at all",
            log_line("no-uuid"),
            '{"event":"turn","turn_id"',
        ]
    )
    assert told("ledger", "restore", log=log) == {"read": 5, "new": 2, "unusable": 2}
    assert told("ledger", "restore", log=log)["new"] == 0
    [used] = [row for row in told("usage", "--since", "2026-11-25") if row["key"] == "team-a"]
    assert (used["turns"], used["model_calls"], used["cost_usd"]) == (1, 1, 0.25)


def test_a_log_replaces_what_was_known_of_a_turn_whose_worker_died(told, store):
    told("keys", "create", "--name", "team-a")
    turn = str(uuid.uuid4())
    facts = Facts(turn, "request-1", "team-a", None, "/chat")
    known = (Call("main", 0, 0, cost=5),)
    store.restore([LedgerRow(facts, "failed", "internal", 1, 0, known, lost=True)])
    told("ledger", "restore", log=log_line(turn))
    [row] = told("ledger", "show", "request-1")
    assert (row["ending"], row["cost_usd"], row["lost"]) == ("completed", 0.25, False)


def test_rows_on_the_disk_of_a_process_that_is_gone_are_replayed(told, tmp_path):
    told("keys", "create", "--name", "team-a")
    spool = Spool(tmp_path / "data")
    facts = Facts(str(uuid.uuid4()), "request-1", "team-a", None, "/chat")
    spool.add([LedgerRow(facts, "completed", None, 1, 0)])
    assert told("ledger", "replay")["new"] == 0
    spool._file.close()
    assert told("ledger", "replay")["new"] == 1
    assert not list((tmp_path / "data").glob("*.rows"))


@pytest.mark.parametrize("request_id", ["nobody", "\udcff"])
def test_a_request_that_nobody_made_is_a_sentence(run, request_id):
    assert "no turn with this request ID" in run("ledger", "show", request_id).stderr


def test_the_commands_load_neither_the_chain_nor_gevent():
    loaded = "import sys, service.commands; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True
    )
    modules = set(done.stdout.split())
    assert "sqlalchemy" in modules
    assert not modules & {"langchain_core", "openai", "gevent", "gunicorn", "prometheus_client"}
