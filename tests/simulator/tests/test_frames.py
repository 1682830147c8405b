import pytest

from tests.simulator.frames import AnswerName, Frames, http_head, to_json
from tests.support.sse import Parser

NAME = AnswerName("chatcmpl-1", 1700000000, 'mo"del\0')


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    "text", ["", " word", 'q"\\', "a\n\r\n\nb", "\u2028\u0085", "한글 😀", "\0"]
)
def test_content_comes_back_out_of_a_standard_parser(text: str, newline: bytes) -> None:
    frames = Frames(NAME, with_usage=True, newline=newline)
    (event,) = Parser().feed(frames.content(text))
    chunk = event.json()
    assert chunk["choices"][0]["delta"] == {"content": text}
    assert (chunk["id"], chunk["created"], chunk["model"]) == (
        NAME.answer_id,
        NAME.created,
        NAME.model,
    )
    assert chunk["usage"] is None


def test_text_is_utf_8_on_the_wire_and_a_lone_surrogate_escaped() -> None:
    assert to_json("한") == b'"\xed\x95\x9c"'
    assert to_json("\ud800한") == b'"\\ud800\\ud55c"'


def test_comment_is_no_event() -> None:
    parser = Parser()
    assert parser.feed(Frames(NAME, with_usage=False).comment()) == []
    assert parser.comments == [" keepalive"]


def test_head_names_the_status() -> None:
    assert http_head(429, {"Retry-After": "2"}) == (
        b"HTTP/1.1 429 Too Many Requests\r\nServer: llm-simulator\r\nRetry-After: 2\r\n\r\n"
    )
