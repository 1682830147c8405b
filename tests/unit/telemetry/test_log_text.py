"""Log lines at a terminal."""

import contextlib
import io
import json
import logging
import traceback

import pytest
import structlog

from service.telemetry import logs
from service.telemetry.log_text import text_line

TURN = {
    "event": "turn",
    "level": "info",
    "time": "2026-01-02T03:04:05.678+00:00",
    "ending": "completed",
    "code": None,
    "cause": None,
    "model": "small",
    "tokens_source": "reported",
    "input_tokens": 34,
    "output_tokens": 8,
    "cost_usd": 0.00000315,
    "time_to_first_token_seconds": 0.2101,
    "duration_seconds": 0.8,
    "request_id": "request-1",
}


@pytest.fixture
def text(log):
    """What is written from here on."""
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        logs.configure("INFO", ['a"b-key-12'], form="text")
    return written


def parts(**changes):
    return text_line(TURN | changes).split("  ")[1:]


def test_a_turn_is_one_short_line():
    assert parts() == [
        "completed",
        "small",
        "34 + 8 tokens",
        "$0.000003",
        "first token 0.21 s",
        "0.80 s",
        "request-1",
    ]


def test_what_is_not_known_is_left_out_or_named():
    assert parts(cost_usd=None)[3] == "price unknown"
    assert parts(cost_usd=0.0)[3] == "$0"
    assert parts(tokens_source="estimated")[2] == "about 34 + 8 tokens"
    refused = {"tokens_source": None, "time_to_first_token_seconds": None, "model": None}
    assert parts(**refused) == ["completed", "0.80 s", "request-1"]


def test_a_failure_says_why():
    failed = {"ending": "upstream_failed", "code": "upstream_rejected", "cause": "HTTP 401"}
    line = parts(**failed, level="warning")
    assert line[:2] == ["WARNING", "upstream_failed (upstream_rejected: HTTP 401)"]


def test_warnings_are_sentences(text):
    structlog.get_logger("service").warning("models_without_price", models=["a", "b"])
    assert "WARNING  no price is known for a, b: cost is not counted" in text.getvalue()


def test_an_event_without_a_sentence_keeps_its_fields(text):
    structlog.get_logger("service").warning("new_event", number=5, nothing=None)
    assert text.getvalue().rstrip().endswith("WARNING  new_event number=5")


def test_an_event_that_lacks_a_field_of_its_sentence_is_written_all_the_same(text):
    structlog.get_logger("service").warning("breaker", model="small")
    assert text.getvalue().rstrip().endswith("WARNING  breaker model=small")


def test_a_stack_trace_looks_like_one_and_has_no_text_of_an_exception(text):
    try:
        json.loads("canary")
    except ValueError as error:
        trace = traceback.TracebackException.from_exception(error)
        structlog.get_logger("service").error("bug", request_id="r", trace=logs.frames_of(trace))
        logging.getLogger("library").exception("it broke")
    for written in text.getvalue().split("ERROR")[1:]:
        assert "  Traceback (most recent call last):\n    /" in written
        assert "\n  json.decoder.JSONDecodeError\n" in written
    assert "canary" not in text.getvalue()


def test_secrets_are_taken_out(text):
    structlog.get_logger("service").info("event", field='a"b-key-12', other="sk-abc123XYZ")
    assert "key-12" not in text.getvalue()
    assert "abc123" not in text.getvalue()


def test_nothing_can_steer_the_terminal(text):
    logging.getLogger("library").warning("\x1b[2J\x9b2J\r\x00")
    assert not set("\x1b\x9b\r\x00") & set(text.getvalue())


def test_a_pipe_gets_json(log):
    structlog.get_logger("service").info("event")
    assert json.loads(log.getvalue())["event"] == "event"


def test_a_terminal_gets_text(log):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    written = Terminal()
    with contextlib.redirect_stdout(written):
        logs.configure("INFO", [])
    structlog.get_logger("service").info("event")
    assert written.getvalue().endswith("  event\n")
