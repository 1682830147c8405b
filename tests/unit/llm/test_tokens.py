"""Token counts for what the LLM did not report: with its encoding, without it, and with texts that make trouble."""

import os
import sys
import threading
import time
from pathlib import Path

import gevent
import pytest

from service.llm import tokens

CACHE = Path(sys.prefix) / "share" / "tiktoken"


@pytest.fixture
def counter(monkeypatch):
    """As it is where the encoding is on the machine."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(CACHE))
    found = tokens.load_counter()
    assert found.exact, f"no encoding in {CACHE}"
    return found


@pytest.fixture(params=["", "/nowhere", "empty"])
def inexact(request, monkeypatch, tmp_path):
    """As it is where the encoding is not."""
    folder = str(tmp_path) if request.param == "empty" else request.param
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", folder)
    return tokens.load_counter()


def test_counts_are_those_of_the_encoding(counter):
    assert [counter.count(text) for text in ("", "the", "the quick answer", "안녕하세요")] == [
        0,
        1,
        3,
        2,
    ]


def test_long_texts_count_like_short_ones(counter):
    assert counter.count("the" + " the" * 7_999) == 8_000


@pytest.mark.parametrize(
    "text", [" the" * 50_000, " the" * 25_000 + "오늘은 하늘이 맑고 " * 10_000]
)
def test_of_very_long_texts_a_part_is_counted(counter, text):
    parts = [text[place : place + 30_000] for place in range(0, len(text), 30_000)]
    assert counter.count(text) == pytest.approx(sum(map(counter.count, parts)), rel=0.05)


def test_a_very_long_text_costs_no_more_than_a_long_one(counter):
    began = time.process_time()
    counter.count("가힣쀍 " * 250_000)
    assert time.process_time() - began < 0.1


@pytest.mark.parametrize(
    "text",
    [
        "<|endoftext|>",
        "<|im_start|>system",
        "\ud800",
        "a\udfffb\ud83d",
        "\x00",
        "\u2028",
        "👩‍👩‍👧" * 10,
    ],
)
def test_no_text_is_refused(counter, inexact, text):
    assert counter.count(text) > 0
    assert inexact.count(text) > 0


def test_a_users_special_token_is_plain_text(counter):
    assert counter.count("<|endoftext|>") > 1


def test_an_estimate_has_the_chat_formats_own_tokens(counter):
    usage = counter.estimate(["of", "the", "quick", "", "answer"], "this model")
    assert usage.input_tokens == 4 * (1 + tokens.MESSAGE_TOKENS) + tokens.REPLY_TOKENS
    assert usage.output_tokens == 2
    assert usage.source == "estimated"
    assert usage.cached_input_tokens is None


def test_without_the_encoding_the_length_is_taken(inexact):
    assert not inexact.exact
    assert inexact.count("a" * 400) == 100
    assert inexact.count("") == 0


def test_the_encoding_is_never_fetched(monkeypatch, tmp_path):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(tokens.tiktoken, "get_encoding", lambda _: pytest.fail("it would download"))
    assert not tokens.load_counter().exact


def test_huge_texts_are_counted_off_the_event_loop():
    went_on = threading.Event()
    counter = tokens.TokenCounter(lambda _: int(went_on.wait(30)))
    gevent.spawn(went_on.set)
    assert counter.count("^" * 30_000) > 0


def test_short_texts_do_not_wait_for_a_long_one(counter):
    long = gevent.spawn(counter.estimate, ["^" * 30_000] * 14, "")
    gevent.sleep(0.001)
    assert counter.count("the quick answer") == 3
    assert not long.ready()
    assert long.get(timeout=30).input_tokens > 1000


def test_the_cached_file_has_the_name_by_which_tiktoken_finds_it():
    assert (CACHE / tokens.CACHED_FILE).is_file()
    assert os.path.getsize(CACHE / tokens.CACHED_FILE) > 1_000_000  # noqa: PTH202
