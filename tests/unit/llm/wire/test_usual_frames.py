"""What most servers send is read on a short path, and means what it means on the long one."""

from hypothesis import given
from hypothesis import strategies as st

from service.errors import ChatError
from service.llm.wire.answer import Answer

# a field without a meaning: frames with it are read on the long path
UNUSUAL = {"x_padding": "abc"}
DELTAS = st.sampled_from(
    [
        {},
        {"role": "assistant"},
        {"role": "assistant", "content": ""},
        {"content": None, "tool_calls": []},
        {"content": "word"},
        {"content": 0},
        {"content": False, "reasoning_content": "thought"},
        {"reasoning_content": "thought"},
        {"refusal": "no"},
        {"finish_reason": "stop"},
        {"usage": {"prompt_tokens": 1, "completion_tokens": 2}},
        {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]},
        None,
    ]
)
REASONS = st.sampled_from([None, "stop", "length", "tool_calls", "content_filter", "error", ""])
CHOICES = st.fixed_dictionaries(
    {"index": st.sampled_from([0, 1, None, "0"]), "delta": DELTAS, "finish_reason": REASONS},
    optional={"logprobs": st.none(), "stop_reason": REASONS},
)
USAGES = st.sampled_from(
    [
        None,
        {},
        {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16},
        {"prompt_tokens": 0, "completion_tokens": 9},
        {"input_tokens": 7, "output_tokens": 9, "cache_read_input_tokens": 5},
    ]
)
FRAMES = st.fixed_dictionaries(
    {"choices": st.one_of(st.lists(CHOICES, max_size=2), st.none())},
    optional={
        "object": st.sampled_from(["chat.completion.chunk", "error"]),
        "usage": USAGES,
        "error": st.sampled_from([None, {"message": "overloaded"}]),
        "finish_reason": REASONS,
    },
)


def read(frames):
    """What each frame said, up to the first error."""
    answer, said = Answer(), []
    try:
        for frame in frames:
            answer.add(frame)
            said.append(answer.take())
        answer.end()
    except ChatError as error:
        said.append((error.code, error.cause))
    return [*said, answer.take()]


@given(st.lists(FRAMES, max_size=5))
def test_a_usual_frame_means_what_an_unusual_one_does(frames):
    assert read(frames) == read([{**frame, **UNUSUAL} for frame in frames])
