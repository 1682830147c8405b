"""What a graph has shown of its messages, and what becomes of it: nodes return it, replace it or throw it away."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from langchain_core.messages import AIMessage, BaseMessage

from service.errors import Internal
from service.llm.chain_turn import CallEnd, ChainTurn, Said, Shown, TookBack

REPLACED = (
    "the chain has replaced text that was already sent, which this client cannot take back; "
    "use X-Hold-Answer, or tag the model's draft nostream"
)


def added(text: str, said: str) -> str | None:
    """What follows the text that was said; None if it does not begin with it."""
    begun = said.strip()
    return text.lstrip()[len(begun) :] if begun and text.lstrip().startswith(begun) else None


def added_to(text: str, said: Sequence[str]) -> str | None:
    """The same for the texts of several calls, or else for the last one."""
    rests = (added(text, one) for one in ("".join(said), *said[-1:]))
    return next((rest for rest in rests if rest is not None), None)


class ShownMessages:
    """One per turn. Where the caller cannot discard text, replacing it is an error."""

    def __init__(self, turn: ChainTurn) -> None:
        self._turn = turn

    def say(self, message: BaseMessage) -> None:
        """Shows a node's message, unless it was shown already."""
        self._replace_latest(message)
        text = str(message.text)
        if message.id is not None and message.id in self._turn.shown_ids:
            self._turn.shown_texts.discard(text.strip())
            return
        if message.id:
            self._turn.shown_ids.add(message.id)
        if isinstance(message, AIMessage) and text and not self._was_said(text):
            call, rest = self._continued(text)
            self._turn.put(Said(call, rest))
            self._turn.put(CallEnd(call))
            if message.id:
                self._turn.shown[message.id] = Shown(call, text, "")

    def knows(self, message: BaseMessage) -> bool:
        """Whether it was shown, or is part of what nodes were given."""
        return message.id in self._turn.shown_ids

    def hides(self, message: BaseMessage) -> bool:
        """Whether the chain's author has tagged its call nostream."""
        return message.id in self._turn.hidden_ids

    def forget(self, message: BaseMessage) -> None:
        self._turn.shown_ids.discard(str(message.id))

    def keep(self, messages: Sequence[BaseMessage], node: str) -> None:
        """messages: all that the node returns. What its model has said besides was a draft."""
        ids = {message.id for message in messages}
        texts = {str(message.text).strip() for message in messages}
        for name, shown in list(self._turn.shown.items()):
            if shown.node != node:
                continue
            if name in ids or shown.text.strip() in texts:
                self._turn.shown[name] = replace(shown, node="")
            else:
                self._take_back(name)

    def remove(self, message: BaseMessage) -> None:
        if message.id in self._turn.shown:
            self._take_back(message.id)

    def revise(self, message: BaseMessage) -> None:
        """Shows the message again if its text has changed."""
        shown = self._turn.shown.get(str(message.id))
        if shown is not None and shown.text != str(message.text):
            self.say(message)

    def end_in(self, result: str) -> None:
        """A function's result is the answer: what its models said was a draft, unless the result begins with it."""
        said = "".join(shown.text for shown in self._turn.shown.values())
        if added(result, said) is None and self._turn.running.takes_back:
            for name in list(self._turn.shown):
                self._take_back(name)

    def _replace_latest(self, message: BaseMessage) -> None:
        """The same ID with another text. Older messages are shortened to save tokens."""
        shown = self._turn.shown.get(str(message.id))
        if shown is None or shown.text == str(message.text):
            return
        if next(reversed(self._turn.shown)) == message.id:
            self._take_back(str(message.id))

    def _take_back(self, message_id: str) -> None:
        turn = self._turn
        shown = turn.shown.pop(message_id)
        turn.shown_ids.discard(message_id)
        turn.shown_texts.discard(shown.text.strip())
        if not shown.text:
            return
        if not turn.running.takes_back:
            raise Internal(cause=REPLACED)
        attempts = turn.running.attempts
        model = attempts[-1].model if attempts else turn.running.prompt.model
        turn.put(TookBack(shown.call, "replaced", model))

    def _continued(self, text: str) -> tuple[UUID, str]:
        """The call that says it, and what is left to say: a node may have added to the text that its model showed."""
        turn = self._turn
        # of parallel nodes, each returns its own model's
        pending = [
            (name, shown)
            for name, shown in reversed(turn.shown.items())
            if shown.text.strip() and shown.text.strip() in turn.shown_texts
        ]
        if len(pending) > 1 and (merged := self._merged(text, pending)):
            return merged
        for name, shown in pending:
            rest = added(text, shown.text)
            if rest is not None:
                is_latest = name == next(reversed(turn.shown))
                del turn.shown[name]
                turn.shown_texts.discard(shown.text.strip())
                return shown.call if is_latest else uuid4(), rest
        if len(pending) == 1 and pending[0][1].text.strip() in text and turn.running.takes_back:
            self._take_back(pending[0][0])
        return uuid4(), text

    def _merged(self, text: str, pending: list[tuple[str, Shown]]) -> tuple[UUID, str] | None:
        """The same for a node that called its models several times, and returns all that they said in one message.

        pending: the latest first.
        """
        turn = self._turn
        parts = [(name, shown) for name, shown in pending if shown.text.strip() in text]
        if len(parts) < 2 or len({shown.node for _, shown in parts}) > 1:
            return None
        latest, shown = parts[0]
        call = shown.call if latest == next(reversed(turn.shown)) else uuid4()
        rest = added(text, "".join(one.text for _, one in reversed(parts)))
        if rest is None and not turn.running.takes_back:
            return None
        for name, one in parts:
            if rest is None:
                self._take_back(name)
            else:
                del turn.shown[name]
                turn.shown_texts.discard(one.text.strip())
        return (uuid4(), text) if rest is None else (call, rest)

    def _was_said(self, text: str) -> bool:
        """Whether a model has shown this text, which a node then put into a new message."""
        said = text.strip() in self._turn.shown_texts
        self._turn.shown_texts.discard(text.strip())
        return said
