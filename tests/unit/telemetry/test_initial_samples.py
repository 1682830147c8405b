"""Counters that are there before they count, and the answers that were cut."""

import re
import subprocess
import sys

import pytest
from prometheus_client import REGISTRY

from service.chat.prompt import Prompt
from service.telemetry.turns import TurnRecord
from tests.support.service import ROOT
from tests.unit.telemetry.test_turns import Asker, Clock

BEGIN = """
from prometheus_client import REGISTRY, generate_latest
from service.telemetry import initial_samples
initial_samples.begin("chat", {"a-model": "openai"}, ["chat"])
print(generate_latest(REGISTRY).decode())
"""
PROMPT = Prompt("", (), "why?", "m", None, 100, "request-1")


def test_every_counter_of_ours_has_a_zero_before_it_counts():
    said = subprocess.run(
        [sys.executable, "-c", BEGIN], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    lines = said.splitlines()
    counters = {
        line.split()[2]
        for line in lines
        if line.startswith("# TYPE chat_") and line.endswith("counter")
    }
    zeros = {re.split(r"[{ ]", line)[0] for line in lines if line.endswith(" 0.0")}
    assert counters
    assert counters - zeros == set()


@pytest.mark.parametrize(
    ("ending", "texts", "cut"),
    [
        ("timed_out", 1, 1),
        ("drained", 2, 1),
        ("timed_out", 0, 0),
        ("completed", 2, 0),
        ("disconnected", 2, 0),
    ],
)
def test_an_answer_is_cut_when_it_had_begun_and_its_caller_wanted_the_rest(ending, texts, cut):
    def count():
        labels = {"route": "/chat", "ending": ending}
        return REGISTRY.get_sample_value("chat_answers_cut_total", labels) or 0

    before = count()
    record = TurnRecord(Asker(), "turn-1", Clock())
    for second in range(texts):
        record.text(1000.0 + second)
    record.end(ending)
    assert count() - before == cut
