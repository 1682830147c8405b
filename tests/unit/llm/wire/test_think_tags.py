"""Thinking between tags, taken out of the text wherever the frames split it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.llm.wire.think_tags import ThinkTags
from tests.support.model_server import DONE, fin, text
from tests.unit.llm.wire.frames import cut, heard

TEXTS = [
    ("<think>hm</think>Hello", "Hello", "hm"),
    ("<think>\nhm\n</think>\n\nHello", "Hello", "\nhm\n"),
    ("\n<think>hm</think>Hello", "Hello", "hm"),
    ("<thinking>hm</thinking>Hello", "Hello", "hm"),
    ("[THINK]hm[/THINK]Hello", "Hello", "hm"),
    ("◁think▷hm◁/think▷Hello", "Hello", "hm"),
    ("<seed:think>hm</seed:think>Hello", "Hello", "hm"),
    ("<|START_THINKING|>hm<|END_THINKING|>Hello", "Hello", "hm"),
    ("<|begin_of_thought|>hm<|end_of_thought|>Hello", "Hello", "hm"),
    ("<|channel|>analysis<|message|>hm<|channel|>final<|message|>Hello", "Hello", "hm"),
    (
        "<|start|>assistant<|channel|>analysis<|message|>hm<|channel|>final<|message|>Hello",
        "Hello",
        "hm",
    ),
    ("<|channel>thought\nhm<channel|>Hello", "Hello", "\nhm"),
    ("<|think|>hm<|content|>Hello", "Hello", "hm"),
    ("<think></think>Hello", "Hello", ""),
    ("<think>a < b </thin></think>Hello", "Hello", "a < b </thin>"),
    ("<think>한글 😀</think>안녕", "안녕", "한글 😀"),
    ("<think>one</think>Hello <think>two</think>world", "Hello world", "onetwo"),
    ("Hello", "Hello", ""),
    ("Hello <", "Hello <", ""),
    ("Hello <thin", "Hello <thin", ""),
    ("a < b and <b>bold</b>", "a < b and <b>bold</b>", ""),
    ("  spaces", "spaces", ""),
    ("", "", ""),
    ("<think>never closed", "", "never closed"),
    # a tag that is spoken about is no tag
    ("Use the <think> tag", "Use the <think> tag", " tag"),
]


def taken_apart(tags, said, places):
    """The answer and the thinking of a text that is cut at these places."""
    parts = [tags.split(piece) for piece in (cut(said, places) if said else [""])]
    answer = "".join(text for text, _ in parts) + tags.end()
    return answer, "".join(thought for _, thought in parts)


@pytest.mark.parametrize(("said", "answer", "thinking"), TEXTS, ids=[row[0] for row in TEXTS])
@given(places=st.lists(st.integers(min_value=0), max_size=12))
def test_tags_are_taken_out_wherever_they_are_split(said, answer, thinking, places):
    assert taken_apart(ThinkTags(), said, places) == (answer, thinking)


@pytest.mark.parametrize(
    "pieces", [["<think>hm</think>Hello"], ["<th", "ink>h", "m</thi", "nk>", "\n\nHel", "lo"]]
)
def test_a_stream_with_tags(pieces):
    frames = [*map(text, pieces), fin("stop"), DONE]
    for stream in (frames, [b"".join(frames)]):
        assert heard(stream, strip_think_tags="true")[:3] == ("Hello", "stop", "hm")
        assert heard(stream)[:3] == ("".join(pieces), "stop", "")


def test_what_may_begin_a_tag_is_not_lost_at_the_end():
    assert heard([text("a <"), fin("stop"), DONE], strip_think_tags="true")[:2] == ("a <", "stop")
    assert heard([text("a <"), fin("stop")], strip_think_tags="true")[:2] == ("a <", "stop")


@pytest.mark.parametrize("said", ["\n\n", "<think>", "<think></think>\n", "a", "<"])
def test_what_a_frame_says_after_a_finish_reason_does_not_depend_on_cuts(said):
    stream = [text("", "stop"), text(said, "stop"), b"event: error\ndata: []\n\n"]
    one_by_one, at_once = (
        heard(pieces, strip_think_tags="true") for pieces in (stream, [b"".join(stream)])
    )
    assert one_by_one == at_once


UNOPENED = [
    ("hm\n</think>\n\nHello", "Hello", "hm\n"),
    ("<think>hm</think>Hello", "Hello", "hm"),
    (" <think>hm</think>Hello", "Hello", "hm"),
    ("</think>Hello", "Hello", ""),
    ("<b>hm</think>Hello <think>two</think>world", "Hello world", "<b>hmtwo"),
    ("nobody thinks", "nobody thinks", "nobody thinks"),
    ("", "", ""),
]


@pytest.mark.parametrize(("said", "answer", "thinking"), UNOPENED, ids=[r[0] for r in UNOPENED])
@given(places=st.lists(st.integers(min_value=0), max_size=12))
def test_a_template_may_have_opened_the_thinking(said, answer, thinking, places):
    assert taken_apart(ThinkTags(unopened=True), said, places) == (answer, thinking)


def test_thinking_that_is_cut_before_its_end_is_no_answer():
    frames = [text("hm hm"), fin("length"), DONE]
    assert heard(frames, strip_think_tags="unopened")[:3] == ("", "length", "hm hm")
