"""What the headers of a refusal say about coming back."""

import pytest

from service.llm.wire.retry_after import forbids_retry, retry_after_seconds

# Wed, 25 Nov 2026 12:00:00 GMT
NOW = 1795608000.0


def seconds(**headers):
    lower = {name.replace("_", "-"): value for name, value in headers.items()}
    return retry_after_seconds(lower, lambda: NOW)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("7", 7),
        ("1.5", 1.5),
        (" 2 ", 2),
        ("0", 0),
        ("-3", 0),
        ("86400", 3600),
        ("Wed, 25 Nov 2026 12:00:20 GMT", 20),
        ("Wednesday, 25-Nov-26 12:00:20 GMT", 20),
        ("Wed Nov 25 12:00:20 2026", 20),
        ("Wed, 25 Nov 2026 13:00:20 +0100", 20),
        ("2026-11-25T12:00:20Z", 20),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("1s", 1),
        ("1795608020", 20),
        ("1795608020000", 20),
        ("nan", None),
        ("inf", None),
        ("", None),
        ("soon", None),
        ("99, Foo 2026", None),
        ("7, 7", 7),
        ('"7"', 7),
    ],
)
def test_retry_after_is_a_number_a_duration_or_a_moment(value, wait):
    assert seconds(retry_after=value) == (None if wait is None else pytest.approx(wait))


def test_milliseconds_go_before_seconds():
    assert seconds(retry_after_ms="250", retry_after="9") == 0.25
    assert seconds(retry_after_ms="many", retry_after="9") == 9


@pytest.mark.parametrize(
    ("value", "wait"),
    [("1s", 1), ("6m0s", 360), ("20ms", 0.02), ("1h2m3.5s", 3600), ("8.64s", 8.64), ("2", 2)],
)
def test_the_reset_of_a_limit_is_a_duration(value, wait):
    assert seconds(x_ratelimit_reset_requests=value) == pytest.approx(wait)


@pytest.mark.parametrize(
    "name",
    [
        "x_ratelimit_reset",
        "ratelimit_reset",
        "x_ratelimit_reset_tokens",
        "x_ratelimit_reset_project_requests",
        "anthropic_ratelimit_tokens_reset",
        "x_rate_limit_reset",
        "ratelimitbysize_reset",
        "x_retry_after",
        "x_ratelimit_retry_after",
        "x_ai_ratelimit_reset_minute_azure",
    ],
)
def test_the_names_of_such_headers_differ(name):
    assert seconds(**{name: "3"}) == 3


@pytest.mark.parametrize("name", ["retry-after", "x-ratelimit-reset-requests"])
def test_litellm_hands_on_the_providers_headers(name):
    assert retry_after_seconds({f"llm_provider-{name}": "3"}, lambda: NOW) == 3


@pytest.mark.parametrize("value", ['"default";r=0;t=30', "limit=100, remaining=0, reset=30"])
def test_the_header_of_the_drafts_is_read(value):
    assert seconds(ratelimit=value) == 30


@pytest.mark.parametrize(
    "value",
    ['"day";r=9;t=3600, "minute";r=0;t=30', '"minute";t=30;r=0,"day";r=10;t=3600'],
)
def test_of_several_limits_the_one_that_is_used_up_counts(value):
    assert seconds(ratelimit=value) == 30


def test_a_name_without_end_is_none():
    assert retry_after_seconds({"ratelimit-" + "reset-" * 700_000 + "0": "1"}) is None


def test_retry_after_goes_before_the_limits_resets():
    assert seconds(retry_after="2", x_ratelimit_reset_requests="9s") == 2


def test_the_limit_that_is_used_up_counts():
    limits = {"x_ratelimit_reset_requests": "1s", "x_ratelimit_reset_tokens": "6m0s"}
    assert seconds(**limits) == 1
    assert seconds(**limits, x_ratelimit_remaining_tokens="0") == 360
    spent = {"x_ratelimit_remaining_requests": "0", "x_ratelimit_remaining_tokens": "400"}
    assert seconds(**limits, **spent) == 1
    assert seconds(x_ratelimit_remaining_requests="0") is None


def test_a_server_may_forbid_another_attempt():
    assert forbids_retry({"x-should-retry": "false"})
    assert forbids_retry({"x-should-retry": " False"})
    assert not forbids_retry({"x-should-retry": "true"})
    assert not forbids_retry({})
