"""What a caller may ask: every field's shape and limit, and refusals that never repeat what was sent."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.chat.request import ChatRequest, Limits, Message, parse
from service.errors import Detail, InvalidRequest, PayloadTooLarge

LIMITS = Limits(
    chains=("chat",),
    models=("small", "large"),
    allow_system=True,
    max_question_chars=20,
    max_system_chars=10,
    max_history_messages=3,
    max_history_chars=15,
    max_output_tokens=100,
)
ASKED = {"role": "user", "content": "hi"}
# wide enough that only the shape is judged
WIDE = Limits(("small",), ("chat",), True, 10**6, 10**6, 10**6, 10**6, 10**6)  # noqa: FBT003


def ask(limits=LIMITS, **fields):
    return parse(json.dumps({"question": "why?", **fields}).encode(), limits)


def refusal(body, limits=LIMITS, kind=InvalidRequest):
    with pytest.raises(kind) as caught:
        parse(body, limits)
    assert type(caught.value) is kind
    return caught.value.details


def refused(kind=InvalidRequest, limits=LIMITS, **fields):
    return refusal(json.dumps({"question": "why?", **fields}).encode(), limits, kind)


def test_a_question_alone_is_a_request():
    assert ask() == ChatRequest(question="why?")


def test_every_field_is_taken():
    history = [ASKED, {"role": "assistant", "content": ""}]
    request = ask(system="be brief", history=history, model="large", temperature=2, max_tokens=100)
    assert request == ChatRequest(
        question="why?",
        system="be brief",
        history=[Message(role="user", content="hi"), Message(role="assistant", content="")],
        model="large",
        temperature=2.0,
        max_tokens=100,
    )


def test_null_is_as_good_as_nothing_where_a_field_may_be_left_out():
    nothing = ("system", "history", "chain", "model", "temperature", "max_tokens")
    assert ask(**dict.fromkeys(nothing)) == ask()


@given(st.text().map("x{}".format))
def test_any_text_arrives_as_it_was_sent(text):
    messages = [{"role": "user", "content": text}]
    body = json.dumps({"question": text, "system": text, "history": messages}).encode()
    request = parse(body, WIDE)
    assert (request.question, request.system, request.history[0].content) == (text, text, text)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"question": "a"',
        b'{"question": "a",}',
        b"{'question': 'a'}",
        b'{"question": "a"} x',
        b'{"question": "a"}{"question": "b"}',
        b'{"question": "a" /* why */}',
        b'{"question": "a\nb"}',
        b'{"question": "\\x41"}',
        b'{"question": "\\ud800"}',
        b'{"question": "\\udc00\\ud800"}',
        b'{"question": "a", "\\ud800": 1}',
        b'{"question": "\xff"}',
        b'{"question": "\xed\xa0\x80"}',
        '{"question": "é"}'.encode("latin-1"),
        '{"question": "a"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"question": "a"}',
        b'{"question": "a", "temperature": NaN}',
        b'{"question": "a", "temperature": Infinity}',
        b'{"question": "a", "temperature": 1e400}',
        b'{"question": "a", "max_tokens": 01}',
        b"[" * 30_000,
        b'{"a":' * 2_000,
    ],
)
def test_what_is_no_json_in_utf8_is_refused(body):
    assert refusal(body) == (Detail("", "must be JSON in UTF-8"),)


@pytest.mark.parametrize(
    "many", [b"[" * 100_000, b'{"a":' * 50_000, b"[" + b"{}," * 80_000 + b"{}]"]
)
def test_more_objects_than_any_request_has_are_not_read(many):
    assert refusal(many) == (Detail("", "has too many objects or lists"),)


@pytest.mark.parametrize(
    "many",
    [
        {"question": "a"} | {f"f{number}": 1 for number in range(20_000)},
        {"question": "a", "history": [{"role": "user", "content": "b"}] * 8_000},
        # each ends like an escaped quote
        {"question": "a"} | {f"{number}\\": 1 for number in range(20_000)},
    ],
)
def test_more_strings_than_any_request_has_are_not_read(many):
    assert refusal(json.dumps(many).encode()) == (Detail("", "has too many fields or messages"),)


def test_quotes_within_a_text_are_text():
    text = '"' * 30_000
    assert ask(WIDE, question=text).question == text


@pytest.mark.parametrize("body", [b"null", b"1", b'"question"', b"true", b"[]", b'["question"]'])
def test_what_is_no_object_is_refused(body):
    assert refusal(body) == (Detail("", "must be an object"),)


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"question": ""}, "question", "must not be empty"),
        ({"question": " \n\t\u2003"}, "question", "must not be empty"),
        ({"question": None}, "question", "must be a string"),
        ({"question": 1}, "question", "must be a string"),
        ({"question": True}, "question", "must be a string"),
        ({"question": ["a"]}, "question", "must be a string"),
        ({"question": {"text": "a"}}, "question", "must be a string"),
        ({"system": 1}, "system", "must be a string"),
        ({"system": ["a"]}, "system", "must be a string"),
        ({"history": {}}, "history", "must be a list"),
        ({"history": "a"}, "history", "must be a list"),
        ({"history": ["a"]}, "history.0", "must be an object"),
        ({"history": [ASKED, {"role": "user"}]}, "history.1.content", "is required"),
        ({"history": [{"content": "a"}]}, "history.0.role", "is required"),
        (
            {"history": [{**ASKED, "role": "system"}]},
            "history.0.role",
            "is not one of the allowed values",
        ),
        ({"history": [{**ASKED, "content": None}]}, "history.0.content", "must be a string"),
        ({"history": [{**ASKED, "content": [ASKED]}]}, "history.0.content", "must be a string"),
        ({"history": [{**ASKED, "name": "x"}]}, "history.0.name", "is not a field of this request"),
        ({"model": ""}, "model", "is not one of the allowed models"),
        ({"model": "other"}, "model", "is not one of the allowed models"),
        ({"model": "SMALL"}, "model", "is not one of the allowed models"),
        ({"model": 1}, "model", "must be a string"),
        ({"temperature": "1"}, "temperature", "must be a number"),
        ({"temperature": True}, "temperature", "must be a number"),
        ({"temperature": -0.01}, "temperature", "is too small"),
        ({"temperature": 2.01}, "temperature", "is too large"),
        ({"max_tokens": "5"}, "max_tokens", "must be a whole number"),
        ({"max_tokens": 5.5}, "max_tokens", "must be a whole number"),
        ({"max_tokens": 0.0}, "max_tokens", "is too small"),
        ({"max_tokens": True}, "max_tokens", "must be a whole number"),
        ({"max_tokens": 10**30}, "max_tokens", "may be at most 100"),
        ({"max_tokens": 0}, "max_tokens", "is too small"),
        ({"max_tokens": -1}, "max_tokens", "is too small"),
        ({"max_tokens": 101}, "max_tokens", "may be at most 100"),
        ({"base_url": "http://10.0.0.1"}, "base_url", "is not a field of this request"),
        ({"api_key": "sk-x"}, "api_key", "is not a field of this request"),
        ({"messages": []}, "messages", "is not a field of this request"),
        ({"my secret": 1}, "", "has an unknown field"),
        ({"x" * 33: 1}, "", "has an unknown field"),
        ({"질문": 1}, "", "has an unknown field"),
        ({"x" * 32: 1}, "x" * 32, "is not a field of this request"),
        ({"stream": True}, "stream", "is not a field of this request"),
    ],
)
def test_a_wrong_field_is_named_with_the_reason(fields, field, reason):
    assert refused(**fields) == (Detail(field, reason),)


def test_a_missing_question_is_named():
    assert refusal(b"{}") == (Detail("question", "is required"),)


def test_every_wrong_field_is_named():
    found = refused(question=1, system=2, temperature="x", max_tokens="y")
    assert [detail.field for detail in found] == ["question", "system", "temperature", "max_tokens"]


@pytest.mark.parametrize("temperature", [0, 0.0, 1e-9, 1, 2, 2.0])
def test_temperatures_from_0_to_2_are_taken(temperature):
    assert ask(temperature=temperature).temperature == temperature


@pytest.mark.parametrize("max_tokens", [1, 100, 7.0, 1e2])
def test_answers_up_to_the_cap_are_taken(max_tokens):
    taken = ask(max_tokens=max_tokens).max_tokens
    assert (taken, type(taken)) == (max_tokens, int)


LENGTHS = [
    ("question", "가", 20, "may have at most 20 characters"),
    ("system", "😀", 10, "may have at most 10 characters"),
]


@pytest.mark.parametrize(("field", "character", "limit", "reason"), LENGTHS)
def test_a_text_may_be_as_long_as_its_limit_in_code_points(field, character, limit, reason):
    assert getattr(ask(**{field: character * limit}), field) == character * limit
    over = {field: character * (limit + 1)}
    assert refused(PayloadTooLarge, **over) == (Detail(field, reason),)


def test_a_history_is_limited_in_messages_and_in_characters():
    messages = (Detail("history", "may have at most 3 messages"),)
    characters = (Detail("history", "may have at most 15 characters"),)
    assert len(ask(history=[ASKED] * 3).history) == 3
    assert refused(PayloadTooLarge, history=[ASKED] * 4) == messages
    half = {"role": "assistant", "content": "x" * 7}
    assert len(ask(history=[half, half, {**half, "content": "x"}]).history) == 3
    assert refused(PayloadTooLarge, history=[half, half, ASKED]) == characters


def test_every_text_that_is_too_long_is_named():
    found = refused(PayloadTooLarge, question="x" * 21, system="x" * 11, history=[ASKED] * 8)
    assert [detail.field for detail in found] == ["question", "system", "history", "history"]


def test_an_answer_may_be_of_any_length_that_can_be_calculated_with_where_the_deployment_sets_none():
    unbounded = Limits(**{**vars(LIMITS), "max_output_tokens": None})
    assert ask(limits=unbounded, max_tokens=10**8).max_tokens == 10**8
    for wrong in (0, 10**8 + 1, 1e308):
        assert [one.field for one in refused(limits=unbounded, max_tokens=wrong)] == ["max_tokens"]


def test_a_deployment_may_keep_its_system_prompt_to_itself():
    closed = Limits(**{**vars(LIMITS), "allow_system": False})
    assert refused(limits=closed, system="x") == (Detail("system", "may not be set here"),)
    assert ask(limits=closed, system="").system == ""
    assert ask(limits=closed).system is None


CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    "payload",
    [
        {"question": {"x": CANARY}},
        {"question": [CANARY] * 9},
        {CANARY: 1, "question": "a"},
        {"question": "a", "system": {CANARY: CANARY}},
        {"question": "a", "model": CANARY},
        {"question": "a", "temperature": CANARY},
        {"question": "a", "max_tokens": CANARY},
        {"question": "a", "history": [CANARY]},
        {"question": "a", "history": [{"role": CANARY, "content": 1, CANARY: 2}]},
        {"question": CANARY * 9},
    ],
)
def test_a_refusal_repeats_nothing_of_what_was_sent(payload):
    with pytest.raises(InvalidRequest) as caught:
        parse(json.dumps(payload).encode(), LIMITS)
    error = caught.value
    told = repr((error.details, error.cause, error.args, error.__cause__))
    assert "canary" not in told
    # pydantic's error carries the input: it must not travel along
    assert error.__context__ is None or error.__suppress_context__


@pytest.mark.parametrize(
    "body",
    [
        b'{"question": "a", "history": [' + b",".join([b"{}"] * 87_000) + b"]}",
        b'{"question": "a", "history": [' + b",".join([b"1"] * 120_000) + b"]}",
        b'{"question": "a", "history": [{'
        + b",".join(b'"%d": 1' % n for n in range(20_000))
        + b"}]}",
        b"{" + b",".join(b'"%d": 1' % n for n in range(20_000)) + b"}",
    ],
)
def test_a_body_of_many_mistakes_does_not_hold_up_the_loop(body):
    """One by one they took most of a second, during which no stream of the worker moved."""
    began = time.process_time()
    with pytest.raises((InvalidRequest, PayloadTooLarge)) as caught:
        parse(body, LIMITS)
    assert 1 <= len(caught.value.details) <= 20
    assert time.process_time() - began < 0.1
