"""JSON for clients: what orjson refuses is written all the same."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.web import json_text

# halves of characters included; two of them side by side would be read as one
TEXTS = st.text(st.characters(exclude_categories=())).filter(
    lambda text: json.loads(json.dumps(text)) == text
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda values: st.lists(values) | st.dictionaries(TEXTS, values),
    max_leaves=20,
)


@given(VALUES)
def test_any_value_is_read_as_it_was(value):
    assert json.loads(json_text.dumps(value)) == value


@pytest.mark.parametrize("number", [2**63, -(2**63), 2**64 - 1, 2**64, -(2**63) - 1, 10**40])
def test_whole_numbers_of_any_size_are_exact(number):
    assert json_text.dumps({"n": [number]}) == b'{"n":[%d]}' % number


def test_beside_a_long_number_all_else_is_as_ever():
    value = {
        "n": 10**30,
        "cost": Decimal("0.0000001"),
        "a": json_text.quoted("\ud800"),
        "b": "\u2028",
    }
    told = json_text.dumps(value)
    assert told == b'{"n":1%b,"cost":0.0000001,"a":"\\ud800","b":"\\u2028"}' % (b"0" * 30)
