"""The error tree against the contract's table: code, status, whether to retry, and the turn's ending."""

from typing import get_args

import pytest

from service import errors
from tests.support.contract import ENDINGS, KINDS, PROMISES


def test_every_code_of_the_contract_has_an_error_and_every_error_a_code():
    assert {kind.code for kind in KINDS} == set(PROMISES) == set(get_args(errors.ErrorCode))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_is_what_the_contract_says(kind):
    status, retryable, ending = PROMISES[kind.code]
    assert (kind.status, kind.retryable) == (status, retryable)
    # where no model was asked, an empty answer is the chain's
    if ending is not None and kind is not errors.ChainSilent:
        assert kind.ending == ending


def test_the_endings_are_those_of_errors_and_the_two_without():
    endings = {kind.ending for kind in KINDS} | {"completed", "disconnected"}
    assert endings == set(get_args(errors.Ending)) == ENDINGS


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
