"""The error tree against the contract's table: code, status, whether to retry, and the turn's ending."""

import pytest

from service import errors

# code: (HTTP status, retryable, ending of the turn; None: it is no turn)
CONTRACT = {
    "invalid_request": (400, False, "invalid"),
    "payload_too_large": (413, False, "invalid"),
    "unsupported_media_type": (415, False, "invalid"),
    "not_found": (404, False, None),
    "method_not_allowed": (405, False, None),
    "request_timeout": (408, False, "invalid"),
    "uri_too_long": (414, False, None),
    "headers_too_large": (431, False, None),
    "rate_limited": (429, True, "rejected"),
    "overloaded": (503, True, "rejected"),
    "draining": (503, True, "drained"),
    "circuit_open": (503, True, "circuit_open"),
    "upstream_rate_limited": (429, True, "upstream_failed"),
    "upstream_rejected": (502, False, "upstream_failed"),
    "upstream_invalid_request": (400, False, "invalid"),
    "content_filtered": (422, False, "filtered"),
    "upstream_error": (502, True, "upstream_failed"),
    "upstream_timeout": (504, True, "timed_out"),
    "internal": (500, False, "failed"),
}
ENDINGS = {
    *("completed", "invalid", "rejected", "upstream_failed", "timed_out", "circuit_open"),
    *("filtered", "disconnected", "drained", "failed"),
}
KINDS = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, errors.ChatError) and hasattr(value, "code")
]


def test_every_code_of_the_contract_has_an_error_and_every_error_a_code():
    assert {kind.code for kind in KINDS} == set(CONTRACT)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_is_what_the_contract_says(kind):
    status, retryable, ending = CONTRACT[kind.code]
    assert (kind.status, kind.retryable) == (status, retryable)
    if ending is not None:
        assert kind.ending == ending


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_has_an_ending_of_the_one_vocabulary(kind):
    assert kind.ending in ENDINGS


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_message_is_one_fixed_sentence_whatever_caused_it(kind):
    plain = kind()
    caused = kind(cause="sk-secret", details=(errors.Detail("question", "is required"),))
    assert plain.message == caused.message == kind.message
    assert kind.message.endswith(".")
    assert "\n" not in kind.message
    # the exception's own text reaches logs of libraries: it is the code alone
    assert str(caused) == kind.code


def test_errors_of_one_code_tell_callers_the_same():
    for kind in KINDS:
        first = next(other for other in KINDS if other.code == kind.code)
        assert (kind.message, kind.status) == (first.message, first.status)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_whoever_may_come_back_is_told_when(kind):
    """429 and 503 carry Retry-After, so each needs a default."""
    if kind.status in (429, 503):
        assert kind.default_retry_after_seconds >= 1


def test_what_the_llm_refuses_on_principle_is_never_repeated_or_rerouted():
    for kind in (errors.ContentFiltered, errors.UpstreamInvalidRequest):
        assert (kind.repeatable, kind.reroutable, kind.trips) == (False, False, False)
