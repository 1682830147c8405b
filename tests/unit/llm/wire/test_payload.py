"""What is asked: parameters by kind of server and model, messages, headers."""

import base64

import pytest

from service.llm.wire.address import parse
from service.llm.wire.payload import (
    composed,
    headers_for,
    takes_temperature,
    without_system_role,
)

SYSTEM = {"role": "system", "content": "Be brief."}
ASKED = {"model": "m", "messages": [SYSTEM, {"role": "user", "content": "hi"}]}


@pytest.mark.parametrize("given", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("openai", "max_completion_tokens"),
        ("azure", "max_completion_tokens"),
        ("other", "max_tokens"),
    ],
)
def test_the_length_has_the_name_that_the_kind_of_server_takes(given, kind, named):
    payload = composed({**ASKED, given: 5}, kind)
    assert {name: value for name, value in payload.items() if name.startswith("max")} == {named: 5}


def test_every_question_is_streamed_and_asks_for_its_usage():
    payload = composed({**ASKED, "temperature": None, "stream": False}, "other")
    assert payload == {**ASKED, "stream": True, "stream_options": {"include_usage": True}}


def test_developer_messages_are_for_the_makers_of_the_api():
    asked = {**ASKED, "messages": [{"role": "developer", "content": "x"}]}
    assert composed(asked, "openai")["messages"][0]["role"] == "developer"
    assert composed(asked, "other")["messages"][0]["role"] == "system"


@pytest.mark.parametrize(
    "model",
    ["gpt-5", "gpt-5-mini", "GPT-5.1", "o1", "o3-mini", "o4-mini", "openai/gpt-5", "azure:o3"],
)
def test_models_that_think_get_no_default_temperature(model):
    assert not takes_temperature(model)


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4o",
        "gpt-4.1",
        "gpt-oss-120b",
        "olmo-2",
        "o",
        "llama-o1x",
        "gpt-50x",
        "sim",
        "openhermes",
    ],
)
def test_all_others_do(model):
    assert takes_temperature(model)


def test_instructions_go_in_front_of_the_first_question():
    user, answer = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}
    later = {"role": "system", "content": "Now in Korean."}
    moved = without_system_role([SYSTEM, answer, user, later, user])
    assert moved == [answer, {"role": "user", "content": "Be brief.\n\nNow in Korean.\n\nhi"}, user]


def test_instructions_find_a_place_in_any_conversation():
    parts = [{"type": "text", "text": "hi"}]
    text = {"type": "text", "text": "Be brief."}
    assert without_system_role([SYSTEM, {"role": "user", "content": parts}]) == [
        {"role": "user", "content": [text, *parts]}
    ]
    assert without_system_role([SYSTEM]) == [{"role": "user", "content": "Be brief."}]
    assert without_system_role([{"role": "system", "content": [text]}]) == [
        {"role": "user", "content": "Be brief."}
    ]
    assert without_system_role([{"role": "system", "content": ""}]) == []


def headers(base_url="http://llm/v1", key="", **extra):
    given = {name.replace("_", "-"): value for name, value in extra.items()}
    return headers_for(parse(base_url), key, given)


def test_an_uncoded_event_stream_is_asked_for_and_json_is_taken_too():
    sent = headers()
    assert sent["Accept"] == "text/event-stream, application/json"
    assert sent["Accept-Encoding"] == "identity"
    assert "Authorization" not in sent


def test_the_key_is_sent_as_the_server_wants_it():
    basic = f"Basic {base64.b64encode(b'user:word').decode()}"
    assert headers(key="k")["Authorization"] == "Bearer k"
    assert headers("http://user:word@llm/v1", key="k")["Authorization"] == basic
    azure = headers("https://mine.openai.azure.com/openai/v1", key="k")
    assert azure["api-key"] == "k"
    assert "Authorization" not in azure
    entra = headers("https://mine.openai.azure.com/openai/v1", key="eyJh.eyJz.c2ln")
    assert entra["Authorization"] == "Bearer eyJh.eyJz.c2ln"
    assert "api-key" not in entra


def test_the_operators_headers_win_whatever_their_case():
    sent = headers(key="k", authorization="Token t", X_Title="chat", ACCEPT="text/event-stream")
    assert {
        "authorization": "Token t",
        "X-Title": "chat",
        "ACCEPT": "text/event-stream",
    }.items() <= sent.items()
    assert len({name.lower() for name in sent}) == len(sent)
