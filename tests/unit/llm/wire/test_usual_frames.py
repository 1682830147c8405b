"""What most servers send is read on a short path, and means what it means on the long one."""

from itertools import product

import pytest

from service.errors import ChatError
from service.llm.wire.answer import Answer

# a field without a meaning: frames with it are read on the long path
UNUSUAL = {"x_padding": "abc"}
COUNTS = {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16}
CHUNK = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
CALL = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
MESSAGE = {"role": "assistant", "content": "all of it"}


def of(delta, reason=None):
    return {**CHUNK, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


USUAL = (
    of({"role": "assistant", "content": ""}),
    of({}, "stop"),
    of({}, "length"),
    {**CHUNK, "choices": [], "usage": COUNTS},
)
OF_FRAMES = (
    *({"usage": usage} for usage in (None, {}, COUNTS, {**COUNTS, "prompt_tokens": 0})),
    {"usage": {"input_tokens": 7, "output_tokens": 9, "cache_read_input_tokens": 5}},
    {"usage": "7"},
    *({"choices": choices} for choices in (None, [], [None], ["text"], {}, "text")),
    *({"object": each} for each in ("error", None)),
    *({"error": each} for each in (None, "", {}, {"message": "overloaded"}, "overloaded")),
    *({"finish_reason": each} for each in ("stop", "length", "")),
    {"type": "error"},
    {"done_reason": "length"},
    {"x_groq": {"usage": COUNTS}},
    {"timings": {"prompt_n": 7, "cache_n": 1, "predicted_n": 9}},
    {"detail": "overloaded"},
)
OF_CHOICES = (
    *({"index": each} for each in (1, None, "0")),
    *({"finish_reason": each} for each in ("tool_calls", "content_filter", "error", "", 1, [])),
    *({"delta": each} for each in (None, "text", [])),
    {"delta": None, "message": MESSAGE},
    {"delta": None, "text": "text"},
    {"message": MESSAGE},
    {"stop_reason": "length"},
    {"logprobs": None},
    {"usage": COUNTS},
    {"error": {"message": "overloaded"}},
)
OF_DELTAS = (
    {"content": "word"},
    {"content": None, "tool_calls": [], "refusal": ""},
    {"content": 0},
    {"content": False, "reasoning_content": "thought"},
    {"reasoning_content": "thought"},
    {"refusal": "no"},
    {"finish_reason": "stop"},
    {"finish_reason": "length"},
    {"usage": COUNTS},
    {"error": "overloaded"},
    {"tool_calls": [CALL]},
)


def changed(frame):
    """The frame, and what becomes of it by each change."""
    yield frame
    for change in OF_FRAMES:
        yield {**frame, **change}
    for choice in frame["choices"]:
        others = [{**choice, **change} for change in OF_CHOICES]
        others += [{**choice, "delta": {**choice["delta"], **change}} for change in OF_DELTAS]
        for other in others:
            yield {**frame, "choices": [other]}
            yield {**frame, "choices": [other], "usage": COUNTS}
        yield {**frame, "choices": [choice, {**choice, "index": 1}]}
        yield {**frame, "choices": [{**choice, "index": 1, "delta": {"content": "b"}}, choice]}


FRAMES = [each for frame in USUAL for each in changed(frame)]
SAID = [of({"content": "word"}), of({"refusal": "no"}), of({"tool_calls": [CALL]}), USUAL[-1]]


def read(frames, *, at_once, bare):
    """What the frames said, up to the first error. at_once: all of them came in one read."""
    answer, said = Answer(), []
    try:
        for frame in frames:
            answer.add(frame, bare=bare)
            if not at_once:
                said.append(answer.take())
        answer.end()
    except ChatError as error:
        said.append((error.code, error.cause))
    return [*said, answer.take()]


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("bare", [False, True])
def test_a_usual_frame_means_what_an_unusual_one_does(at_once, bare):
    for frames in product(SAID, FRAMES, SAID):
        unusual = [{**frame, **UNUSUAL} for frame in frames]
        wanted = read(unusual, at_once=at_once, bare=bare)
        assert read(frames, at_once=at_once, bare=bare) == wanted, frames
