"""What a server refuses by name is asked differently, at once, and remembered."""

import pytest

from service.errors import Detail, UpstreamError
from service.llm.wire.address import CHAT, parse
from service.llm.wire.habits import Habits
from service.llm.wire.payload import composed
from service.llm.wire.question import MOST_TIMES, Question
from service.llm.wire.redirect import Redirected
from service.llm.wire.refusal import (
    Overflow,
    ParameterRefused,
    RefusedParameter,
    WindowExceeded,
)

ADDRESS = parse("http://llm:8000/v1?key=a")
TARGET = ADDRESS.target(CHAT)
SYSTEM = {"role": "system", "content": "Be brief."}
HI = {"role": "user", "content": "hi"}
ASKED = {"model": "m", "messages": [SYSTEM, HI], "max_tokens": 4096, "temperature": 0.2}


def refused(name, reason="unsupported", most=None):
    return ParameterRefused(RefusedParameter(name, reason, most))


def overflow(**said):
    return WindowExceeded(Overflow(**said))


class Asker:
    """A worker's questions to one server. Its rules, called with what is asked, give the server's errors."""

    def __init__(self, *rules, kind="other"):
        self.rules = rules
        self.kind = kind
        self.asked = []
        self.ids = []
        self.news = []
        self.habits = {}

    def ask(self, own=(), **more):
        """The requests that it took."""
        before = len(self.asked)
        payload = composed({**ASKED, **more}, self.kind)
        model = payload["model"]
        if model not in self.habits:
            self.habits[model] = Habits(lambda *news: self.news.append((model, *news)))
        habits, own = self.habits[model], frozenset(own)
        question = Question(
            ADDRESS, TARGET, habits, habits.known.applied(payload, own), own, "turn.1", habits.known
        )
        while (refusal := self.refusal(question)) is not None:
            instead = question.after(refusal)
            if instead is None:
                question.explain(refusal)
                raise refusal
            question = instead
        question.answered()
        return self.asked[before:]

    def refusal(self, question):
        self.asked.append(question.payload)
        self.ids.append(question.headers(0)["X-Request-ID"])
        return next(filter(None, (rule(question.payload) for rule in self.rules)), None)


def refuses(name, **more):
    return lambda payload: refused(name, **more) if name in payload else None


def test_what_is_refused_by_name_is_left_out_once_and_for_all():
    asker = Asker(refuses("stream_options"))
    first, second = asker.ask()
    assert "stream_options" in first
    assert second == {name: value for name, value in first.items() if name != "stream_options"}
    assert asker.ask() == [second]
    assert asker.news == [("m", "stream_options", "left_out")]


def test_what_has_not_helped_is_not_remembered():
    failure = UpstreamError(cause="HTTP 500")
    asker = Asker(refuses("temperature"), lambda _: failure)
    with pytest.raises(UpstreamError):
        asker.ask()
    assert ["temperature" in asked for asked in asker.asked] == [True, False]
    assert asker.news == []
    asker.rules = ()
    (again,) = asker.ask()
    assert "temperature" in again


def test_each_model_has_habits_of_its_own():
    asker = Asker(lambda asked: refuses("temperature")(asked) if asked["model"] == "m" else None)
    assert len(asker.ask()) == 2
    (other,) = asker.ask(model="n")
    assert other["temperature"] == 0.2


@pytest.mark.parametrize("kind", ["openai", "other"])
@pytest.mark.parametrize("own", [(), ("max_tokens",)])
def test_the_length_gets_its_other_name_also_where_it_is_the_callers(kind, own):
    name, other = "max_completion_tokens", "max_tokens"
    if kind == "other":
        name, other = other, name
    asker = Asker(refuses(name), kind=kind)
    first, second = asker.ask(own)
    assert (first[name], second[other]) == (4096, 4096)
    assert name not in second
    assert asker.ask(own) == [second]
    assert asker.news == [("m", name, "renamed")]


def test_a_server_that_takes_neither_name_is_asked_without_a_length():
    asker = Asker(refuses("max_tokens"), refuses("max_completion_tokens"))
    assert not {"max_tokens", "max_completion_tokens"} & asker.ask()[-1].keys()
    assert len(asker.ask()) == 1
    with pytest.raises(ParameterRefused):
        asker.ask(["max_tokens"])


def test_several_refusals_are_learned_one_after_the_other():
    names = ("stream_options", "temperature", "max_tokens", "seed", "user")
    asker = Asker(*map(refuses, names))
    requests = asker.ask(seed=1, user="u")
    assert len(requests) == 1 + len(names)
    assert not set(names) & requests[-1].keys()
    assert len(asker.ask(seed=1, user="u")) == 1
    assert asker.ids[:3] == ["turn.1", "turn.1.2", "turn.1.4"]


def test_a_length_above_the_allowed_maximum_is_lowered_and_remembered():
    def rule(asked):
        most = 2048
        return refused("max_tokens", "value", most) if asked["max_tokens"] > most else None

    asker = Asker(rule)
    assert [asked["max_tokens"] for asked in asker.ask()] == [4096, 2048]
    assert [asked["max_tokens"] for asked in asker.ask()] == [2048]
    assert [asked["max_tokens"] for asked in asker.ask(["max_tokens"], max_tokens=100)] == [100]
    assert asker.news == [("m", "max_tokens", "lowered")]
    with pytest.raises(ParameterRefused) as refusal:
        asker.ask(["max_tokens"], max_tokens=3000)
    assert refusal.value.details[0].field == "max_tokens"


@pytest.mark.parametrize("name", ["temperature", "user"])
def test_a_callers_own_parameter_is_never_left_out(name):
    asker = Asker(refuses(name))
    with pytest.raises(ParameterRefused):
        asker.ask([name], **{name: 0.3})
    asker.ask(**{name: 0.3})
    with pytest.raises(ParameterRefused):
        asker.ask([name], **{name: 0.3})
    assert name in asker.asked[-1]


@pytest.mark.parametrize(
    "name", ["tools", "response_format", "messages", "model", "stop", "tool_choice"]
)
def test_what_is_the_question_itself_is_never_left_out(name):
    asker = Asker(refuses(name))
    with pytest.raises(ParameterRefused):
        asker.ask(**({} if name in ("messages", "model") else {name: ["x"]}))
    assert len(asker.asked) == 1
    assert asker.news == []


@pytest.mark.parametrize("own", [(), ("system",)])
def test_instructions_move_into_the_question_where_the_role_is_refused(own):
    def rule(asked):
        roles = [message["role"] for message in asked["messages"]]
        return refused("system") if "system" in roles else None

    asker = Asker(rule)
    _, second = asker.ask(own)
    assert second["messages"] == [{"role": "user", "content": "Be brief.\n\nhi"}]
    assert asker.ask(own) == [second]
    assert asker.news == [("m", "system", "moved")]


def test_a_server_that_refuses_what_was_not_sent_is_not_asked_again():
    for name in ("system", "top_k", "max_completion_tokens"):
        asker = Asker(lambda _, name=name: refused(name))
        with pytest.raises(ParameterRefused):
            asker.ask(messages=[HI])
        assert len(asker.asked) == 1


def test_a_server_that_refuses_for_ever_is_asked_a_bounded_number_of_times():
    limits = iter(range(4000, 0, -1))
    asker = Asker(lambda _: refused("max_tokens", "value", next(limits)))
    with pytest.raises(ParameterRefused):
        asker.ask()
    assert len(asker.asked) == MOST_TIMES + 1


@pytest.mark.parametrize("says_prompt", [True, False])
def test_the_answer_gets_what_is_left_of_the_window(says_prompt):
    def rule(asked):
        requested = 16 + asked["max_tokens"]
        if requested <= 4096:
            return None
        said = {"prompt": 16} if says_prompt else {"requested": requested}
        return overflow(window=4096, **said)

    asker = Asker(rule)
    assert [asked["max_tokens"] for asked in asker.ask()] == [4096, 4080]
    (again,) = asker.ask()
    assert 3900 < again["max_tokens"] <= 4080
    assert asker.news == [("m", "max_tokens", "lowered")]


def test_a_window_that_is_not_named_is_left_to_the_server():
    asker = Asker(lambda asked: overflow() if "max_tokens" in asked else None)
    assert "max_tokens" not in asker.ask()[1]


def test_a_conversation_that_does_not_fit_is_refused():
    asker = Asker(lambda _: overflow(window=4096, prompt=5000))
    with pytest.raises(WindowExceeded) as refusal:
        asker.ask()
    assert len(asker.asked) == 1
    assert refusal.value.details == ()
    bare = Asker(lambda _: overflow())
    with pytest.raises(WindowExceeded):
        bare.ask()
    assert len(bare.asked) == 2


def test_a_callers_length_that_does_not_fit_is_named():
    asker = Asker(lambda _: overflow(window=4096, prompt=96))
    with pytest.raises(WindowExceeded) as refusal:
        asker.ask(["max_tokens"])
    assert refusal.value.details == (
        Detail("max_tokens", "must be at most 4000 for this conversation"),
    )
    assert len(asker.asked) == 1


def test_a_prompt_that_seems_to_fill_the_window_is_sent_as_it_is():
    asker = Asker(
        lambda asked: overflow(window=200, prompt=50) if asked["max_tokens"] > 150 else None
    )
    asker.ask()
    long = [{"role": "user", "content": "x" * 3000}]
    assert asker.ask(messages=long)[0]["max_tokens"] == 4096


def test_other_failures_pass():
    failure = UpstreamError(cause="HTTP 500")
    asker = Asker(lambda _: failure)
    with pytest.raises(UpstreamError) as raised:
        asker.ask()
    assert raised.value is failure


def question(**more):
    return Question(ADDRESS, TARGET, Habits(print), {"model": "m"}, frozenset(), "turn.1", **more)


def test_no_id_is_sent_twice_for_whatever_reason():
    questions = [question(asked=times) for times in range(4)]
    ids = [each.headers(sent)["X-Request-ID"] for each in questions for sent in (0, 1)]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/v2/chat?a=b", "/v2/chat?a=b"),
        ("http://llm:8000/v1/chat/completions/", "/v1/chat/completions/"),
        ("HTTP://LLM:8000/x", "/x"),
        ("completions/", "/v1/chat/completions/"),
        ("?key=b", "/v1/chat/completions?key=b"),
    ],
)
def test_a_redirect_on_the_same_server_is_followed_once(status, location, target):
    instead = question().after(Redirected(status, location))
    assert instead.target == target
    assert instead.headers(0)["X-Request-ID"] == "turn.1.2"
    assert instead.after(Redirected(status, location)) is None


@pytest.mark.parametrize(
    ("status", "location"),
    [
        (307, "http://evil.example/v1"),
        (307, "//evil.example/v1"),
        (307, "https://llm:8000/v1"),
        (307, "http://llm:8001/v1"),
        (307, "http://llm/v1"),
        (307, "http://[::1"),
        (307, ""),
        (301, "/v2"),
        (302, "/v2"),
        (303, "/v2"),
        (300, "/v2"),
    ],
)
def test_other_redirects_are_not_followed(status, location):
    redirect = Redirected(status, location)
    assert question().after(redirect) is None
    assert redirect.refused == "address"
    assert redirect.cause.startswith(f"HTTP {status} to ")


def test_the_log_says_where_a_redirect_leads_and_nothing_secret():
    cause = Redirected(307, "https://user:canary@h.example/v1?key=canary").cause
    assert cause == "HTTP 307 to https://h.example/v1"
    assert Redirected(302, "/login?next=canary").cause == "HTTP 302 to /login"
    assert Redirected(302, "").cause == "HTTP 302 to nowhere"
    assert len(Redirected(302, "/" + "x" * 9999).cause) < 300


def test_details_name_what_the_caller_chose_and_nothing_else():
    for own, fields in ((["temperature"], ["temperature"]), ([], [])):
        refusal = ParameterRefused(RefusedParameter("temperature", "value"))
        Question(ADDRESS, TARGET, Habits(print), {}, frozenset(own), "id").explain(refusal)
        assert [detail.field for detail in refusal.details] == fields
