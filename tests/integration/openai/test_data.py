"""What chains send besides their text, as OpenAI's clients get it: tool calls in OpenAI's field, the rest unseen."""

import json
from pathlib import Path

import openai
import pytest

from tests.support.model_server import DONE, choice, fin, refuses, stream
from tests.support.service import Service

CHAINS = Path(__file__).with_name("data.py").read_text()
# a parcel's, say: more than 64 bits
NUMBER = 92055901755477000271990251
LIMITED = refuses(429, {"error": {"message": "slow"}}, Retry_After="30")


@pytest.fixture(scope="module")
def client(_server):
    # a busy machine must not commit a stream before its failure
    settings = {"RETRY_ATTEMPTS": 1, "BREAKER_FAILURES": 100_000, "STREAM_HOLD_SECONDS": 10}
    with (
        Service(_server.base_url, chain=CHAINS, **settings) as service,
        openai.OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0) as client,
    ):
        yield client


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def ask(client, request):
    """Text, tool calls and finish reason."""

    def ask(model, question="hi"):
        messages = [{"role": "user", "content": question}]
        create = client.chat.completions.create
        if not request.param:
            (choice,) = create(model=model, messages=messages).choices
            return choice.message.content, choice.message.tool_calls, choice.finish_reason
        choices = [
            c for each in create(model=model, messages=messages, stream=True) for c in each.choices
        ]
        calls = [call for each in choices for call in each.delta.tool_calls or ()]
        return (
            "".join(c.delta.content or "" for c in choices),
            calls or None,
            choices[-1].finish_reason,
        )

    return ask


def calls(name, arguments, finish="tool_calls"):
    function = {"name": name, "arguments": arguments}
    delta = {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}
    return stream(choice(delta), fin(finish), DONE)


@pytest.mark.parametrize(
    "value", ["3", '"a"', '{"n": 1}', '["a"]', '[{"name": "f"}]', "[]", "null"]
)
def test_a_chains_own_data_may_be_named_as_tool_calls_are(ask, server, value):
    assert ask("named", value) == ("Hello", None, "stop")


CHAINS_WITH_CALLS = pytest.mark.parametrize("chain", ["bound", "composed", "invoked"])


@CHAINS_WITH_CALLS
def test_a_long_number_in_a_tools_arguments_is_kept(ask, server, chain):
    server.says(calls("add", f'{{"a": {NUMBER}, "b": [-{NUMBER}]}}'))
    text, (call,), finish = ask(chain)
    assert json.loads(call.function.arguments) == {"a": NUMBER, "b": [-NUMBER]}
    assert (text, finish) == ("", "tool_calls")


@CHAINS_WITH_CALLS
@pytest.mark.parametrize("arguments", ['{"a": 1', '{"a":', "[1]"])
@pytest.mark.parametrize("finish", ["length", "tool_calls"])
def test_arguments_that_are_cut_or_no_object_are_not_mended(ask, server, chain, arguments, finish):
    server.says(calls("add", arguments, finish))
    _, (call,), ended = ask(chain)
    assert (call.function.name, call.function.arguments, ended) == ("add", arguments, finish)


DEEP = "[" * 300 + str(NUMBER) + "]" * 300
DEEPER = '{"a":' * 450 + str(NUMBER) + "}" * 450


@CHAINS_WITH_CALLS
@pytest.mark.parametrize(
    "arguments", [f'{{"a": {DEEP}}}', DEEPER, DEEPER.replace(str(NUMBER), "1")]
)
def test_arguments_may_be_nested_deeply(ask, server, chain, arguments):
    server.says(calls("add", arguments))
    _, (call,), finish = ask(chain)
    assert json.loads(call.function.arguments) == json.loads(arguments)
    assert finish == "tool_calls"


def test_a_long_number_in_an_answer_that_is_an_object_is_kept(ask, server):
    text, _, finish = ask("number")
    assert (json.loads(text), finish) == ({"number": NUMBER}, "stop")


@pytest.mark.parametrize("chain", ["named", "agent"])
def test_what_fails_before_the_first_content_has_a_status_where_only_data_came(
    client, server, chain
):
    replies = [calls("add", '{"a": 1, "b": 2}')] if chain == "agent" else []
    server.says(*replies, LIMITED)
    with pytest.raises(openai.RateLimitError) as raised:
        list(
            client.chat.completions.create(
                model=chain, messages=[{"role": "user", "content": "1"}], stream=True
            )
        )
    assert raised.value.response.headers["retry-after"] == "30"


def test_who_asks_for_the_data_has_it_at_once(client, server):
    server.says(LIMITED)
    asked = {"model": "named", "messages": [{"role": "user", "content": "1"}], "stream": True}
    stream = client.chat.completions.create(**asked, extra_headers={"X-Chat-Events": "true"})
    assert next(iter(stream)).choices[0].delta.role == "assistant"
    assert next(iter(stream)).choices[0].delta.chat_data == {"name": "tool_calls", "value": 1}
    with pytest.raises(openai.APIError):
        next(iter(stream))


def test_a_name_that_is_a_models_and_a_chains_is_listed_once(client, server):
    listed = [model.id for model in client.models.list()]
    assert sorted(listed) == sorted(set(listed))
    (choice,) = client.chat.completions.create(
        model="sim", messages=[{"role": "user", "content": "1"}]
    ).choices
    assert choice.message.content == "Hello"
