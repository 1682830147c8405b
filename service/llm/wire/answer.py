"""Combines the frames of an answer into one Chunk per read."""

from typing import Any

from service.chat.events import Chunk, Usage
from service.errors import UpstreamError
from service.llm.wire.delta import Said, first_choice, said_by
from service.llm.wire.dialect import FinishReason
from service.llm.wire.errors import of_frame
from service.llm.wire.failure import is_error, is_failure
from service.llm.wire.finish import finish_reason
from service.llm.wire.think_tags import ThinkTags
from service.llm.wire.usage import usage_in

# the fields that nearly all servers use for thinking
PLAIN_THINKING = ("reasoning_content", "reasoning")
# where it stands why the answer ended; the first that says something counts
REASONS = (
    "finish_reason",
    "finishReason",
    "stop_reason",
    "native_finish_reason",
    "finish_details",
    "done_reason",
)
# what frames and their choices consist of as a rule; anything else may have a meaning
USUAL = frozenset(
    {
        *("id", "object", "created", "model", "choices", "usage"),
        *("system_fingerprint", "service_tier", "obfuscation", "provider"),
    }
)
USUAL_CHOICE = frozenset({"index", "delta", "finish_reason", "logprobs"})
MISREAD = (ValueError, LookupError, TypeError, AttributeError)


class Answer:
    """add() takes a frame; take() returns what has arrived. Raises ChatErrors.

    A finish reason followed by content does not count. One that comes together with content is provisional; once such
    a reason has proved wrong, later ones are held back until the end, and so is one in a frame that begins the message.
    """

    def __init__(self, tags: ThinkTags | None = None) -> None:
        self._tags = tags
        self._reason: FinishReason | None = None
        self._reasons_mean_nothing = False
        self._by_delta = False
        self._refused = False
        self._called = False
        self._forget()

    def add(self, frame: Any, *, bare: bool = False) -> None:
        """bare: it came as plain JSON, not in an event stream."""
        delta = _plain(frame)
        if delta is not None and self._hear_plain(delta):
            return
        if not bare and self._hear_usual(frame):
            return
        try:
            self._add(frame, bare=bare)
        except MISREAD as error:
            raise UpstreamError(cause=f"malformed: {type(error).__name__}") from None

    def _forget(self) -> None:
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._tool_calls: list[dict[str, Any]] = []
        self._said_reason: FinishReason | None = None
        self._provisional = False
        self._usage: Usage | None = None

    def end(self) -> None:
        """No frame follows, so the last finish reason counts."""
        self._said_reason, self._provisional = self._reason, False
        if self._tags is not None:
            self._texts.append(self._tags.end(cut=self._reason == "length"))
            self._tags = None

    def take(self) -> Chunk | None:
        """Everything since the last call; None if there is nothing."""
        more = self._tool_calls or self._said_reason or self._usage
        if not more:
            return self._take_words()
        chunk = Chunk(
            "".join(self._texts),
            "".join(self._thoughts),
            self._tool_calls,
            self._named_reason(),
            self._usage,
            self._provisional,
        )
        self._forget()
        return chunk

    def _take_words(self) -> Chunk | None:
        """The fast path for text and thinking only, which is nearly always the case."""
        texts, thoughts = self._texts, self._thoughts
        if thoughts:
            self._texts, self._thoughts = [], []
            return Chunk("".join(texts), "".join(thoughts))
        if not texts:
            return None
        self._texts = []
        return Chunk(texts[0] if len(texts) == 1 else "".join(texts))

    def _add(self, frame: dict[str, Any], *, bare: bool) -> None:
        if is_failure(frame, bare=bare):
            raise of_frame(frame)
        choice = first_choice(frame)
        said = said_by(choice, message_too=not self._by_delta)
        self._by_delta = self._by_delta or bool(said and choice.get("delta"))
        self._usage = usage_in(frame, choice) or self._usage
        if said:
            self._hear(said)
        for place in (choice, choice.get("delta")):
            if isinstance(place, dict) and is_error(place.get("error")):
                raise of_frame({"error": place["error"]})
        reason = finish_reason(_reason_in(choice, frame))
        whole = bare and choice.get("delta") is None
        if reason is None and whole and said:
            reason = "stop"
        if reason == "failed":
            raise UpstreamError(cause="finish_reason: failed")
        if reason is not None:
            self._finish(reason, choice, provisional=bool(said) and not whole)

    def _hear_plain(self, delta: dict[str, Any]) -> bool:
        """Reads a delta that has only text and thinking in the usual fields; returns whether it does."""
        text: Any = delta.get("content")
        thinking = ""
        if len(delta) != 1 or type(text) is not str or not text:
            said = _plain_words(delta)
            if said is None:
                return False
            text, thinking = said
        self._by_delta = self._by_delta or bool(text)
        if thinking or self._tags is not None or self._reason is not None:
            self._say(text, thinking)
        else:
            self._texts.append(text)
        return True

    def _hear_usual(self, frame: Any) -> bool:
        """The frames around the text, as most servers send them: the beginning, the end, and the usage."""
        if type(frame) is not dict or not frame.keys() <= USUAL or frame.get("object") == "error":
            return False
        choices, usage = frame.get("choices"), frame.get("usage")
        if choices == [] and type(usage) is dict:
            self._usage = usage_in(frame, {}) or self._usage
            return True
        if usage is not None or type(choices) is not list or len(choices) != 1:
            return False
        reason = _reason_alone(choices[0])
        if reason in {"stop", "length"}:
            self._finish(reason, choices[0], provisional=False)
        return reason is not False

    def _hear(self, said: Said) -> None:
        self._say(said.text, said.thinking)
        if said.tool_calls:
            self._go_on()
        self._tool_calls += said.tool_calls
        self._refused = self._refused or said.refused
        self._called = self._called or bool(said.tool_calls)

    def _say(self, text: str, thinking: str) -> None:
        if text and self._tags is not None:
            text, thought = self._tags.split(text)
            thinking = thought + thinking
        if text:
            self._texts.append(text)
        if thinking:
            self._thoughts.append(thinking)
        if text or thinking:
            self._go_on()

    def _go_on(self) -> None:
        """Content that follows a finish reason means that it does not count."""
        if self._reason is None:
            return
        self._reasons_mean_nothing = True
        self._said_reason, self._provisional = None, False

    def _finish(self, reason: FinishReason, choice: dict[str, Any], *, provisional: bool) -> None:
        if reason == "stop" and self._reason is not None and not self._reasons_mean_nothing:
            # some gateways end every answer with it, whatever the server has said
            reason = self._reason
        self._reason = reason
        if reason == "stop" and self._opens(choice):
            return
        if not provisional or not self._reasons_mean_nothing:
            self._said_reason, self._provisional = reason, provisional

    def _opens(self, choice: dict[str, Any]) -> bool:
        """Whether the frame only begins the message: servers with a reason in every frame have one there, too."""
        delta = choice.get("delta")
        return not self._by_delta and isinstance(delta, dict) and bool(delta.get("role"))

    def _named_reason(self) -> FinishReason | None:
        """The finish reason; a "stop" may mean a refusal or tool calls."""
        if self._said_reason != "stop":
            return self._said_reason
        if self._refused:
            return "refusal"
        return "tool_calls" if self._called else "stop"


def _reason_in(choice: dict[str, Any], frame: dict[str, Any]) -> Any:
    """Some servers put it one level further in or out, or name it differently."""
    for place in (choice, choice.get("delta"), frame):
        if isinstance(place, dict):
            for name in REASONS:
                if found := place.get(name):
                    return found
    return None


def _reason_alone(choice: Any) -> Any:
    """The finish reason of an ordinary choice without content, None if it has none; False for any other."""
    if type(choice) is not dict or not choice.keys() <= USUAL_CHOICE or choice.get("index") != 0:
        return False
    delta, reason = choice.get("delta"), choice.get("finish_reason")
    if type(delta) is not dict or reason not in (None, "stop", "length"):
        return False
    says = any(value or value == 0 for name, value in delta.items() if name != "role")
    return False if says else reason


def _plain(frame: Any) -> dict[str, Any] | None:
    """The delta of an ordinary frame; None for any other. Nearly all frames take this path."""
    try:
        [choice] = frame["choices"]
        if (
            choice["finish_reason"] is None
            and choice["index"] == 0
            and frame.get("usage") is None
            and "error" not in frame
            and "error" not in choice
            and "usage" not in choice
        ):
            delta: dict[str, Any] = choice["delta"]
            return delta if type(delta) is dict else None
    except (LookupError, TypeError, ValueError, AttributeError):
        pass
    return None


def _plain_words(delta: dict[str, Any]) -> tuple[str, str] | None:
    """Text and thinking; None if there is anything else, or neither."""
    text = thinking = ""
    for name, value in delta.items():
        # 0 is not nothing: as content it is malformed
        if (not value and value != 0) or name == "role":
            continue
        if type(value) is not str:
            return None
        if name == "content":
            text = value
        elif name in PLAIN_THINKING:
            thinking = thinking or value
        else:
            return None
    return (text, thinking) if text or thinking else None
