"""What is refused of a request in OpenAI's words before anything is built of it."""

import json
from dataclasses import replace

import pytest

from service.chat.request import MOST_TOKENS, Limits
from service.errors import InvalidRequest
from service.web.openai_request import parse

LIMITS = Limits(
    models=("sim",),
    chains=("chat",),
    allow_system=True,
    max_question_chars=100,
    max_system_chars=100,
    max_history_messages=10,
    max_history_chars=100,
    max_output_tokens=100,
)
MESSAGE = {"role": "user", "content": "hi"}
FIELDS = {f"f{number}": 1 for number in range(200)}


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"messages": [MESSAGE], **FIELDS}, ""),
        ({"messages": [MESSAGE | FIELDS]}, "messages[0]"),
        ({"messages": [MESSAGE] * 100}, "messages"),
        ({"messages": [MESSAGE], "stop": ["a"] * 100}, "stop"),
    ],
)
def test_more_than_any_client_sends_is_refused(asked, field):
    with pytest.raises(InvalidRequest) as caught:
        parse(json.dumps(asked).encode(), LIMITS)
    assert [detail.field for detail in caught.value.details] == [field]


def test_fields_that_change_nothing_are_ignored():
    request, _ = parse(json.dumps({"messages": [MESSAGE], "seed": 7}).encode(), LIMITS)
    assert request.question == "hi"


@pytest.mark.parametrize("wanted", [10**18, 1e308])
def test_an_answer_has_a_limit_where_the_operator_sets_none(wanted):
    asked = json.dumps({"messages": [MESSAGE], "max_tokens": wanted}).encode()
    request, _ = parse(asked, replace(LIMITS, max_output_tokens=None))
    assert request.max_tokens == MOST_TOKENS
