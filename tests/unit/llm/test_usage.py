"""LangChain's usage metadata, which is what some server said."""

from types import SimpleNamespace

import pytest

from service.chat.events import Usage
from service.llm.usage import usage_of


def used(input_tokens, output_tokens, **details):
    reported = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    return usage_of(SimpleNamespace(usage_metadata=reported | {"input_token_details": details}))


def test_a_message_says_what_was_used():
    assert used(10, 5, cache_read=4, cache_creation=3) == Usage(10, 5, "reported", 4, 3)
    assert used(10, None) == Usage(10, 0, "reported")


@pytest.mark.parametrize("counts", [(0, 0), (-5, 3), (3, -5), (10**30, 3), ("many", 3), (0.5, 3)])
def test_what_cannot_be_true_is_no_usage(counts):
    assert used(*counts) is None


def test_parts_that_cannot_be_true_are_left_out():
    assert used(10, 5, cache_read=-4, cache_creation=10**30) == Usage(10, 5, "reported")
