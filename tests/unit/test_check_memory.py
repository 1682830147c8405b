"""The check of compose's default memory: what the defaults need, and what would not fit."""

import pytest

from tests.tools import check_memory


def test_the_defaults_fit():
    assert check_memory.main() == 0


@pytest.mark.parametrize(
    ("workers", "slots", "fits"), [(2, 100, True), (8, 20, True), (16, 100, False)]
)
def test_what_a_gigabyte_holds(workers, slots, fits):
    assert (check_memory.needed_mb(workers, slots) <= check_memory.given_mb("1g")) is fits


def test_defaults_that_do_not_fit_are_refused_in_a_sentence(monkeypatch, capsys):
    monkeypatch.setattr(check_memory, "WORKER_MB", 700)
    assert check_memory.main() == 1
    assert "SERVICE_MEMORY=1g does not hold WEB_CONCURRENCY=2" in capsys.readouterr().out
