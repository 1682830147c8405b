"""Log lines: one JSON object each, without secrets and without the texts of exceptions."""

import json
import logging
import traceback

import pytest
import structlog

from service.telemetry import logs

SECRET = "hunter2-hunter2"
REDACTED = logs.REDACTED


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    """The error, with a trace."""
    try:
        raise error from cause
    except type(error) as caught:
        return caught


def trace_of(error: Exception) -> traceback.TracebackException:
    return traceback.TracebackException.from_exception(error)


def types_of(error: Exception) -> list[str]:
    return [link["type"].rpartition(".")[2] for link in logs.frames_of(trace_of(error))]


@pytest.mark.parametrize(
    "text",
    [
        "sk-abc123XYZ",
        "sk-proj-a_b-c123",
        "sk-abc***************xyz",
        "Authorization: Bearer eyJhbGciOi.J9-_x",
        "authorization: bearer abcdef",
        "AUTHORIZATION: BEARER abcdef",
        "csk_abcdef123",
        "a path with csk%5Fabcdef123",
        "redis://user:pass-w0rd@redis:6379/0",
        "redis://:pass-w0rd@redis:6379/0",
        "https://u:p%40ss@proxy.test:3128",
        SECRET,
        f"prefix{SECRET}suffix",
        'a"b\\c\nd-key',
        json.dumps({"api_key": "sk-abc123XYZ"}),
        json.dumps({"headers": {"authorization": f"Bearer {SECRET}"}}),
        f"first line\nsk-abc123XYZ\t{SECRET}",
    ],
)
def test_secrets_never_reach_a_line(lines, text):
    structlog.get_logger("service").info("event", field=text, deep={"list": [text]})
    logging.getLogger("library").warning("said %s", text)
    structlog.get_logger("service").info(text)
    ours, theirs, name = lines()
    for line in (ours["field"], ours["deep"]["list"][0], theirs["event"], name["event"]):
        assert REDACTED in line
        for part in ("abc123", "xyz", "eyJ", "abcdef", "w0rd", "p%40ss", "hunter2", "d-key"):
            assert part not in line


@pytest.mark.parametrize(
    "text", ["task-0001", "desk-abc-def", "a risk-free word", "http://h:1/x@y"]
)
def test_what_only_looks_a_little_like_a_secret_stays(lines, text):
    structlog.get_logger("service").info("event", request_id=text)
    assert lines()[0]["request_id"] == text


def test_a_secret_too_short_to_tell_from_words_is_left(lines):
    structlog.get_logger("service").info("event", field="a short word")
    assert lines()[0]["field"] == "a short word"


def test_both_ways_to_log_have_one_schema(lines):
    structlog.get_logger("service").warning("ours")
    logging.getLogger("library").warning("theirs")
    ours, theirs = lines()
    assert set(ours) == {"event", "level", "time"}
    assert set(theirs) == {"event", "level", "time", "logger"}
    assert ours["level"] == theirs["level"] == "warning"
    assert ours["time"][:10] == theirs["time"][:10]


def test_texts_of_exceptions_are_not_logged(lines):
    cause = raised(ValueError("the prompt"))
    error = raised(RuntimeError("the key"), cause)
    logging.getLogger("library").error("it failed", exc_info=error)
    (line,) = lines()
    assert [link["type"].rpartition(".")[2] for link in line["trace"]] == [
        "ValueError",
        "RuntimeError",
    ]
    assert "test_logs.py" in line["trace"][0]["frames"][0]
    assert "the prompt" not in json.dumps(line)
    assert "the key" not in json.dumps(line)


def test_a_trace_shows_places_of_all_links_and_no_texts():
    (link,) = logs.frames_of(trace_of(raised(KeyError("canary"))))
    assert link["type"].rpartition(".")[2] == "KeyError"
    assert link["frames"][-1].endswith(" raised")
    assert "canary" not in json.dumps(link)


def test_a_long_chain_comes_to_an_end():
    error = raised(OSError())
    for _ in range(30):
        error = raised(ValueError(), error)
    assert len(logs.frames_of(trace_of(error))) == 10


def test_a_context_that_was_suppressed_stays_out():
    error = ValueError()
    error.__context__ = OSError()
    assert types_of(error) == ["OSError", "ValueError"]
    error.__suppress_context__ = True
    assert types_of(error) == ["ValueError"]


@pytest.mark.parametrize(
    "value", ["\ud800", 2**70, object(), {1: 2}, float("nan"), b"bytes", {"a"}]
)
def test_no_value_can_keep_a_line_from_being_written(lines, value):
    structlog.get_logger("service").info("event", value=value, request_id="request-1")
    (line,) = lines()
    assert line["request_id"] == "request-1"


def test_unknown_objects_are_named_by_type_alone(lines):
    structlog.get_logger("service").info("event", value=OSError("canary"))
    assert lines()[0]["value"] == "<OSError>"


def test_a_line_is_one_line(log):
    structlog.get_logger("service").info("a\nb\u2028c", field="\r\n")
    out = log.getvalue()
    assert out.endswith("\n")
    assert "\n" not in out[:-1]
    assert "\r" not in out


def test_libraries_that_write_prompts_are_quiet(lines):
    for name in (
        "openai._base_client",
        "httpx2",
        "httpcore2.connection",
        "urllib3",
        "langsmith",
        "langgraph.pregel._retry",
    ):
        logging.getLogger(name).info("POST with a prompt")
    assert lines() == []


def test_the_level_is_respected_by_both(lines):
    structlog.get_logger("service").debug("ours")
    logging.getLogger("library").debug("theirs")
    assert lines() == []


def test_callers_that_went_away_are_no_news(lines):
    logs.adopt("gunicorn.error")
    logging.getLogger("gunicorn.error").error("Socket error processing request.")
    logging.getLogger("gunicorn.error").error("Worker failed")
    assert [line["event"] for line in lines()] == ["Worker failed"]


def test_warnings_that_quote_texts_are_dropped(log):
    """Here a warning that is not dropped is an error."""
    logs.configure("INFO", [])
    source = compile("import warnings; warnings.warn('canary')", "main.py", "exec")
    exec(source, {"__name__": "pydantic.main"})
    with pytest.raises(UserWarning):
        exec(source, {"__name__": "some.other"})
