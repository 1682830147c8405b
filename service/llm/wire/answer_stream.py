"""A model's answer to one question, as an iterator that never blocks for longer than a tick."""

from collections.abc import Callable

from service.chat.events import TICK, Chunk, Tick
from service.errors import ChatError
from service.llm.wire.question import Question
from service.llm.wire.reading import Reading
from service.llm.wire.think_tags import Stripped
from service.llm.wire.transport import Arrived, Transport

# after this many ticks, a refusal without a body is judged by its status
REFUSAL_TICKS = 8

Ask = Callable[[Question], Transport]


class AnswerStream:
    """Each next() returns all that has arrived, or TICK, or raises a ChatError; close() cancels the request at once.

    If the server rejects a parameter, the question is asked differently, at once and invisibly. failed: called with
    each failure that is raised.
    """

    def __init__(
        self,
        question: Question,
        ask: Ask,
        failed: Callable[[Question, ChatError], None],
        *,
        strip_think_tags: Stripped = "false",
    ) -> None:
        self._ask = ask
        self._failed = failed
        self._strip_think_tags = strip_think_tags
        self._begin(question)

    def __iter__(self) -> "AnswerStream":
        return self

    def __next__(self) -> Chunk | Tick:
        try:
            return self._next()
        except ChatError as error:
            instead = None if self._answered else self._question.after(error)
            if instead is None:
                self._failed(self._question, error)
                raise
            self.close()
            self._begin(instead)
            return TICK

    @property
    def sent(self) -> bool:
        return self._transport.sent

    def close(self) -> None:
        self._transport.close(overrun=self._reading.overrun)

    def _begin(self, question: Question) -> None:
        self._question = question
        self._transport = self._ask(question)
        self._reading = Reading(strip_think_tags=self._strip_think_tags)
        self._spoke = False
        self._answered = False
        self._over = False
        self._ended = False
        self._failure: ChatError | None = None
        self._ticks = 0

    def _next(self) -> Chunk | Tick:
        if self._reading.failed:
            self._reading.read(b"")
        if self._over:
            return self._last()
        was_done = self._reading.done
        try:
            arrived = self._transport.receive(spoke=self._spoke)
        except ChatError as failure:
            self._failure = None if was_done else failure
            self._over = True
            return self._last()
        if arrived is None:
            return self._nothing()
        chunk = self._read(arrived)
        if arrived.over or was_done:
            self._over = True
            self.close()
        if chunk is None:
            return TICK
        self._hear(chunk)
        return chunk

    def _hear(self, chunk: Chunk) -> None:
        says = chunk.text or chunk.thinking or chunk.tool_calls or chunk.finish_reason
        if says and not self._answered:
            self._answered = True
            self._question.answered()
        self._spoke = self._spoke or bool(chunk.text)

    def _read(self, arrived: Arrived) -> Chunk | None:
        """May return an empty chunk, which means that the server has begun to answer."""
        if arrived.status is None:
            return None
        reading = self._reading
        if not reading.begun:
            reading.begin(arrived.status, arrived.headers)
        chunk = reading.read(arrived.body)
        return None if reading.refuses else chunk or Chunk()

    def _nothing(self) -> Tick:
        """Called when a tick brought nothing."""
        if self._reading.done:
            # waited a tick for the end of the body, to reuse the connection; no longer
            raise StopIteration
        if self._reading.refuses:
            self._ticks += 1
            if self._ticks >= REFUSAL_TICKS:
                self._reading.end(whole=False)
        return TICK

    def _last(self) -> Chunk:
        """The rest of the body, and then the end."""
        if not self._ended:
            self._ended = True
            chunk = self._reading.end(whole=self._failure is None)
            if chunk is not None:
                self._hear(chunk)
                return chunk
        if self._failure is not None:
            raise self._failure
        raise StopIteration
