"""What an LLM does to those who call it, as a team sees it through OpenAI's client with its default settings.

nginx, gunicorn and a fallback are between them. An answer is right if it is whole, or if the client raises; what a
stream has shown cannot be taken back, so there four faults end in an error, and whole or held they end in an answer.
"""

import itertools
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

import openai
import pytest

from tests.simulator.tokens import answer_text
from tests.support.nginx import Nginx
from tests.support.service import Service
from tests.support.simulator import SimulatorProcess, directive

PRIMARY, SPARE = "sim", "spare"
TOKENS, AFTER = 30, 10
WHOLE = answer_text(TOKENS)
SETTINGS = {
    "LLM_MODEL": PRIMARY,
    "OPENAI_API_KEY": "sk-primary",
    "FALLBACK_MODEL": SPARE,
    "FALLBACK_API_KEY": "sk-spare",
    "FIRST_TOKEN_TIMEOUT_SECONDS": 1.5,
    "IDLE_TIMEOUT_SECONDS": 1.5,
    "STREAM_HOLD_SECONDS": 3,
    "RETRY_BUDGET": 1,
    "BREAKER_OPEN_SECONDS": 1,
}
ROUTE = "/v1/chat/completions"
WAYS = ("streamed", "held", "whole")
HELD = {"X-Hold-Answer": "true"}
number = itertools.count()


@pytest.fixture(scope="module")
def stack():
    # faults in a row are no outage here
    with running(BREAKER_FAILURES=10_000) as stack:
        yield stack


@pytest.fixture
def simulator(stack):
    stack.simulator.reset()
    return stack.simulator


@dataclass
class Stack:
    simulator: SimulatorProcess
    service: Service
    client: openai.OpenAI

    def asked(self, how, question):
        """Raises what the client raises."""
        asked = {"model": PRIMARY, "messages": [{"role": "user", "content": question}]}
        create = self.client.chat.completions.create
        if how == "whole":
            return Read.whole(create(**asked))
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
        return Read.streamed(create(**asked, extra_headers=HELD if how == "held" else {}))


@contextmanager
def running(**settings):
    with (
        SimulatorProcess() as simulator,
        Service(
            simulator.base_url, FALLBACK_BASE_URL=simulator.base_url, **SETTINGS | settings
        ) as service,
        Nginx(f"127.0.0.1:{service.port}", CLIENT_REQUESTS_PER_SECOND=5000) as nginx,
        openai.OpenAI(base_url=f"http://127.0.0.1:{nginx.port}/v1", api_key="none") as client,
    ):
        yield Stack(simulator, service, client)


@dataclass
class Read:
    """An answer as the client's user has it."""

    text: str = ""
    finish_reason: str | None = None
    model: str = ""
    usage: tuple[int, int] | None = None

    @classmethod
    def whole(cls, answer):
        (choice,) = answer.choices
        read = cls(choice.message.content, choice.finish_reason, answer.model)
        read.usage = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
        return read

    @classmethod
    def streamed(cls, chunks):
        read, models = cls(), set()
        for chunk in chunks:
            models.add(chunk.model)
            if chunk.usage:
                read.usage = (chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
            for choice in chunk.choices:
                read.text += choice.delta.content or ""
                read.finish_reason = choice.finish_reason or read.finish_reason
        # each of them names who answers
        (read.model,) = models
        return read


@dataclass
class Fault:
    """What the primary does, who answers after it, and how often the primary is asked.

    streamed: what the client raises where text has been shown; both: what it raises however it asks.
    """

    orders: dict = field(default_factory=dict)
    answers: str = SPARE
    attempts: int = 1
    streamed: type[Exception] | None = None
    both: type[Exception] | None = None


FAULTS = {
    "429 with an end": Fault({"fault": 429, "retry_after": 1, "times": 1}, PRIMARY, 2),
    "429 without end": Fault({"fault": 429, "retry_after": 60}),
    "500": Fault({"fault": 500}, attempts=3),
    "503 with an end": Fault({"fault": 503, "times": 2}, PRIMARY, 3),
    "reset": Fault({"fault": "reset-before"}, attempts=3),
    "silence": Fault({"fault": "silent"}),
    "slow first token": Fault({"fault": "slow-first", "seconds": 20}),
    "slow first token, in time": Fault({"fault": "slow-first", "seconds": 0.5}, PRIMARY),
    "cut": Fault({"fault": "cut", "after": AFTER}, streamed=openai.APIError),
    "stall": Fault({"fault": "stall", "after": AFTER}, streamed=openai.APIError),
    "reset in mid-answer": Fault({"fault": "reset-after", "after": AFTER}, streamed=openai.APIError),
    "malformed chunk": Fault({"fault": "malformed", "after": AFTER}, streamed=openai.APIError),
    "error in the stream": Fault({"fault": "in-band-error", "after": AFTER}, streamed=openai.APIError),
    "no finish": Fault({"fault": "no-finish"}, streamed=openai.APIError),
    "no [DONE]": Fault({"fault": "no-done"}, PRIMARY),
    "context overflow": Fault({"fault": "context-length"}),
    "content filter": Fault({"fault": "content-filter"}, both=openai.UnprocessableEntityError),
    "content filter in mid-answer": Fault(
        {"fault": "content-filter-finish", "after": AFTER}, both=openai.APIError
    ),
    "none": Fault({}, PRIMARY),
}  # fmt: skip


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("name", FAULTS)
def test_an_answer_is_whole_or_the_client_raises(stack, simulator, name, how):
    fault = FAULTS[name]
    question = directive(tokens=TOKENS, gap=0.005)
    if fault.orders:
        question += directive(model=PRIMARY, key=next(number), **fault.orders)
    raises = fault.both or (fault.streamed if how == "streamed" else None)
    if raises is None:
        found = stack.asked(how, question)
        assert (found.text, found.finish_reason, found.model) == (WHOLE, "stop", fault.answers)
        answered = [r["usage"] for r in simulator.requests(fault.answers) if r["status"] == 200]
        counted = answered[-1]
        if fault.streamed is None:
            assert found.usage == (counted["prompt_tokens"], counted["completion_tokens"])
        else:
            assert found.usage[1] >= TOKENS
    else:
        with pytest.raises(raises) as raised:
            stack.asked(how, question)
        assert raised.value.code
        assert simulator.stats(SPARE)["requests"] == 0
    # one more where a kept connection was reset: it is replaced, and that is no attempt
    assert simulator.stats(PRIMARY)["requests"] - fault.attempts in (0, int(name == "reset"))


@pytest.mark.parametrize("fault", [429, 503, "silent", "context-length"])
@pytest.mark.parametrize("how", ["streamed", "whole"])
def test_where_the_fallback_fails_too_the_client_raises_and_adds_no_attempts(
    stack, simulator, fault, how
):
    with pytest.raises(openai.APIStatusError) as raised:
        stack.asked(how, directive(fault=fault))
    assert raised.value.code
    assert raised.value.request_id
    for model in (PRIMARY, SPARE):
        assert simulator.stats(model)["requests"] <= (3 if fault in (429, 503) else 1)


def test_an_outage_is_bridged_and_the_way_back_is_found():
    # streams are opened before it is known who answers
    with running(BREAKER_FAILURES=2, STREAM_HOLD_SECONDS=0.1) as stack:
        simulator = stack.simulator
        simulator.set_default(f"model={PRIMARY} fault=503")
        for number in range(12):
            assert stack.asked(WAYS[number % 3], f"question {number}").model == SPARE
        assert simulator.stats(PRIMARY)["requests"] < 12
        simulator.set_default("")
        until = time.monotonic() + 15
        while stack.asked("streamed", "hi").model != PRIMARY:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert [stack.asked(how, "hi").model for how in WAYS] == [PRIMARY] * 3


def test_the_books_have_every_answer_and_every_token(stack, simulator):
    """What the clients are told, what the provider counted, and what the log and the metrics have."""
    before = len(stack.service.turns(0))
    counted = {way: metric_tokens(stack, way) for way in ("input", "output")}
    questions = [
        directive(tokens=17),
        directive(tokens=5) + directive(model=PRIMARY, fault=503),
        directive(tokens=40) + directive(model=PRIMARY, fault="no-done"),
    ]
    found = [stack.asked(how, question) for how in WAYS for question in questions]
    stats = simulator.stats()
    told = [sum(read.usage[place] for read in found) for place in (0, 1)]
    assert told == [stats["input_tokens"], stats["output_tokens"]]
    turns = stack.service.turns(before + len(found))[before:]
    assert {(turn["route"], turn["ending"]) for turn in turns} == {(ROUTE, "completed")}
    assert [sum(turn[f"{way}_tokens"] for turn in turns) for way in ("input", "output")] == told
    more = [metric_tokens(stack, way) - counted[way] for way in ("input", "output")]
    assert more == told


def metric_tokens(stack, way):
    return stack.service.metric("gen_ai_client_token_usage_sum", gen_ai_token_type=way)
