"""The bill, wherever it stands and whatever its numbers are."""

import json

import pytest

from service.chat.events import Usage
from service.llm.wire.usage import MOST_TOKENS, count, read_usage
from tests.support.model_server import DONE, fin, frame, text
from tests.unit.llm.wire.frames import heard


def reported(prompt, completion, cached=None):
    return Usage(prompt, completion, "reported", cached)


REPORTS = [
    ("openai", {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}, reported(12, 3)),
    ("openai reasoning", {"prompt_tokens": 12, "completion_tokens": 387, "total_tokens": 399,
     "completion_tokens_details": {"reasoning_tokens": 386}}, reported(12, 387)),
    ("xai", {"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 399,
     "completion_tokens_details": {"reasoning_tokens": 386}}, reported(12, 387)),
    ("gemini", {"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 399}, reported(12, 387)),
    ("reasoning without a total", {"prompt_tokens": 12, "completion_tokens": 1, "reasoning_tokens": 386}, reported(12,
     387)),
    ("total too small", {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 3}, reported(12, 3)),
    ("total absurd", {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 10**12}, reported(12, 3)),
    ("openai cached", {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}},
     reported(12, 3, 8)),
    ("deepseek cached", {"prompt_tokens": 12, "completion_tokens": 3, "prompt_cache_hit_tokens": 8}, reported(12, 3,
     8)),
    ("anthropic", {"input_tokens": 12, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 50,
     "output_tokens": 3}, Usage(162, 3, "reported", 50, 100)),
    ("bedrock", {"inputTokens": 12, "cacheReadInputTokens": 50, "cacheWriteInputTokens": 0, "outputTokens": 3,
     "totalTokens": 65}, reported(62, 3, 50)),
    ("portkey", {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 165, "cache_read_input_tokens": 50,
     "cache_creation_input_tokens": 100}, Usage(162, 3, "reported", 50, 100)),
    ("litellm", {"prompt_tokens": 162, "completion_tokens": 3, "total_tokens": 165, "cache_read_input_tokens": 50,
     "cache_creation_input_tokens": 100, "prompt_tokens_details": {"cached_tokens": 50}},
     Usage(162, 3, "reported", 50, 100)),
    ("openrouter", {"prompt_tokens": 162, "completion_tokens": 3, "total_tokens": 165,
     "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 100}}, Usage(162, 3, "reported", 0, 100)),
    ("nothing written", {"prompt_tokens": 162, "completion_tokens": 3,
     "prompt_tokens_details": {"cached_tokens": 50, "cache_write_tokens": 0}}, reported(162, 3, 50)),
    ("more written than there is", {"prompt_tokens": 162, "completion_tokens": 3,
     "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 100}}, reported(162, 3, 100)),
    ("all from the cache", {"input_tokens": 0, "cache_read_input_tokens": 50, "output_tokens": 3}, reported(50, 3, 50)),
    ("cached part within", {"input_tokens": 62, "cache_read_input_tokens": 50, "output_tokens": 3, "total_tokens": 65},
     reported(62, 3, 50)),
    ("ollama names", {"prompt_eval_count": 12, "eval_count": 3, "total_duration": 5}, reported(12, 3)),
    ("thinking apart", {"prompt_tokens": 12, "completion_tokens": 1,
     "completion_tokens_details": {"thinking_tokens": 386}}, reported(12, 387)),
    ("moonshot cached", {"prompt_tokens": 12, "completion_tokens": 3, "cached_tokens": 8}, reported(12, 3, 8)),
    ("more cached than there is", {"prompt_tokens": 12, "completion_tokens": 3, "cached_tokens": 80}, reported(12, 3)),
    ("no details", {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": None}, reported(12, 3)),
    ("details of another kind", {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": [8]},
     reported(12, 3)),
    ("responses names", {"input_tokens": 12, "output_tokens": 3}, reported(12, 3)),
    ("gemini names", {"promptTokenCount": 12, "candidatesTokenCount": 1, "thoughtsTokenCount": 386,
     "totalTokenCount": 399},
     reported(12, 387)),
    ("text", {"prompt_tokens": "12", "completion_tokens": "3"}, reported(12, 3)),
    ("fractions that are none", {"prompt_tokens": 12.0, "completion_tokens": 3.0}, reported(12, 3)),
    ("nothing said", {"prompt_tokens": 12, "completion_tokens": 0}, reported(12, 0)),
    ("no completion", {"prompt_tokens": 12, "completion_tokens": None}, None),
    ("completion missing", {"prompt_tokens": 12}, None),
    ("no prompt", {"completion_tokens": 3}, None),
    ("prompt null", {"prompt_tokens": None, "completion_tokens": 3}, None),
    ("zeros", {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, None),
    *((f"{bad!r:.20}", {"prompt_tokens": 12, "completion_tokens": bad}, None) for bad in
      (-1, -500_000_000, 1e12, 10**400, float("nan"), float("inf"), 1.5, "many", "-1", "1e3", "9" * 400, "", [3], {},
       True)),
    ("empty", {}, None),
]  # fmt: skip


@pytest.mark.parametrize(("report", "usage"), [r[1:] for r in REPORTS], ids=[r[0] for r in REPORTS])
def test_a_report(report, usage):
    assert read_usage(report) == usage
    # through JSON, where NaN and numbers without end are written as they are
    said = heard(
        [
            text("a"),
            fin("stop"),
            b"data: " + json.dumps({"choices": [], "usage": report}).encode() + b"\n\n",
        ]
    )
    assert (said.usage, said.text, said.finish_reason, said.error) == (usage, "a", "stop", None)


@pytest.mark.parametrize(
    "value", ["many", 5, [1], True, [{"prompt_tokens": 12, "completion_tokens": 3}]]
)
def test_a_report_of_another_kind_is_none(value):
    said = heard([text("a"), fin("stop"), frame({"choices": [], "usage": value})])
    assert (said.usage, said.finish_reason, said.error) == (None, "stop", None)


COUNTS = {"prompt_tokens": 12, "completion_tokens": 3}
LAST = {"index": 0, "delta": {}, "finish_reason": "stop"}


@pytest.mark.parametrize(
    "last",
    [
        [frame({"choices": [LAST], "usage": COUNTS})],
        [frame({"choices": [LAST]}), frame({"choices": [], "usage": COUNTS})],
        [frame({"choices": [LAST]}), frame({"usage": COUNTS})],
        [frame({"choices": [{**LAST, "usage": COUNTS}]})],
        [frame({"choices": [LAST], "x_groq": {"id": "r", "usage": COUNTS}})],
        [frame({"choices": [LAST], "usage": None, "x_groq": {"usage": COUNTS}})],
        [frame({"choices": [LAST], "usageMetadata": COUNTS})],
    ],
)
def test_where_the_bill_stands(last):
    assert heard([text("a"), *last, DONE]).usage == reported(12, 3)


def test_of_a_bill_in_every_frame_the_last_one_counts():
    def counted(words, completion):
        choice = {"index": 0, "delta": {"content": words}, "finish_reason": None}
        counts = {"prompt_tokens": 12, "completion_tokens": completion}
        return frame({"choices": [choice], "usage": counts})

    stream = [
        counted("", 0),
        counted("a", 1),
        counted("b", 2),
        fin("stop"),
        frame({"usage": {"prompt_tokens": -1}}),
    ]
    assert heard(stream).usage == reported(12, 2)
    assert heard([b"".join(stream)]).usage == reported(12, 2)
    assert heard(stream).text == "ab"


@pytest.mark.parametrize("value", [0, 1, MOST_TOKENS, "7", 7.0])
def test_a_count(value):
    assert count(value) == int(value)


@pytest.mark.parametrize(
    "value", [-1, MOST_TOKENS + 1, "٣", "1_0", " 1", None, True, False, b"1", object()]
)
def test_no_count(value):
    assert count(value) is None
