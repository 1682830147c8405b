"""One turn's account: begun once, asked again before each model call, ended once, whatever happens in between."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from service.access.admissions import Answer, Begin, More, Question
from service.access.allowance import Amount
from service.access.figures import Figures, error_of
from service.access.health import StoreAway
from service.access.keys import Key
from service.access.lane import Lane, Outcome
from service.access.ledger import Call, Facts, LedgerRow
from service.access.listener import Listener
from service.access.money import picodollars
from service.access.offline import Offline
from service.access.periods import Moment
from service.chat.events import Usage
from service.errors import Forbidden, Unavailable


class Books(Protocol):
    """What all accounts of a worker share. now: in the store's clock."""

    @property
    def lane(self) -> Lane[Question, Answer]: ...
    @property
    def offline(self) -> Offline: ...
    @property
    def listener(self) -> Listener: ...
    @property
    def serves_without_store(self) -> bool: ...

    def now(self) -> Moment: ...
    def opened(self, turn_id: str) -> None: ...
    def closed(self, row: LedgerRow) -> None: ...


class Hold:
    """What a model call may cost, held until it is over: with account.reserve(...): ..."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release: Callable[[], None] | None = release

    def release(self) -> None:
        if self._release is not None:
            self._release()
            self._release = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class Account:
    """Costs are in picodollars; None: the model has no price. figures: what is left, once it was begun."""

    def __init__(self, books: Books, key: Key, facts: Facts) -> None:
        self.key = key
        self.figures: Figures | None = None
        self._books = books
        self._facts = facts
        self._began_at = time.monotonic()
        self._asked: Outcome[Answer] | None = None
        self._held = Amount()
        self._held_offline = False
        self._outstanding = Amount()
        self._calls: list[Call] = []
        self._ended = False
        # a chain may make several calls at once
        self._reserving = threading.Lock()

    def begin(self, input_tokens: int, output_tokens: int, cost: int | None) -> None:
        """The turn, with its first model call. Raises Forbidden, RateLimited, BudgetExceeded, PayloadTooLarge or
        Unavailable."""
        if self._facts.model is not None:
            self._check(self._facts.model, priced=cost is not None)
        answer = self._begin(Begin(self._facts, input_tokens, output_tokens, cost or 0))
        self.figures = Figures.of(answer)
        self._refuse(answer)
        self._held = answer.held

    def reserve(self, model: str, input_tokens: int, output_tokens: int, cost: int | None) -> Hold:
        """Before each model call, the first one included. Raises Forbidden, BudgetExceeded, RateLimited or
        Unavailable."""
        self._check(model, priced=cost is not None)
        wanted = Amount(input_tokens + output_tokens, cost or 0)
        with self._reserving:
            self._hold_more(wanted)
            self._outstanding = _sum(self._outstanding, wanted)
        return Hold(lambda: self._release(wanted))

    def charge(self, model: str, usage: Usage, cost_usd: float | None) -> None:
        """An attempt as it was billed."""
        self._calls.append(
            Call(
                model=model,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cached_input_tokens=usage.cached_input_tokens or 0,
                estimated=usage.source == "estimated",
                cost=None if cost_usd is None else picodollars(cost_usd),
            )
        )

    def end(self, ending: str, code: str | None = None) -> None:
        """Later calls change nothing. Waits for nothing."""
        if self._ended:
            return
        self._ended = True
        now = self._books.now()
        row = LedgerRow(
            facts=self._facts,
            ending=ending,
            code=code,
            ended_at_us=now.us,
            duration_ms=int((time.monotonic() - self._began_at) * 1000),
            calls=tuple(self._calls),
        )
        held = self._held if self._held_offline else None
        self._books.offline.end(self.key, self._facts.user_id, now, held, row.spent)
        if self._asked is None:
            self._books.closed(row)
        else:
            # a lease that comes after its turn's end has to be given back, too
            self._asked.add_done_callback(lambda _: self._books.closed(row))

    def _check(self, model: str, *, priced: bool) -> None:
        if not self.key.may_use(model, self._facts.chain, priced=priced):
            raise Forbidden(cause="model or chain" if priced else "model without a price")

    def _begin(self, question: Begin) -> Answer:
        books = self._books
        try:
            answer = self._ask(question)
        except StoreAway:
            self._require_offline()
            self._held_offline = True
            return books.offline.begin(
                self.key,
                self._facts.user_id,
                books.now(),
                question.input_tokens,
                question.output_tokens,
                question.cost,
            )
        books.offline.saw(self.key.name, self._facts.user_id, answer.levels)
        return answer

    def _hold_more(self, wanted: Amount) -> None:
        """Nothing where what is held will do, or where no money limits this key."""
        spent = sum(call.cost or 0 for call in self._calls)
        tokens = sum(call.tokens for call in self._calls) + self._outstanding.tokens + wanted.tokens
        cost = spent + self._outstanding.cost + wanted.cost
        limited = self.key.limits.money or self.key.per_user.money
        if not limited or cost <= self._held.cost:
            return
        more = Amount(max(0, tokens - self._held.tokens), cost - self._held.cost)
        answer = self._more(More(self._facts, more, spent))
        self._refuse(answer)
        self._held = _sum(self._held, more)

    def _more(self, question: More) -> Answer:
        books = self._books
        try:
            return self._ask(question)
        except StoreAway:
            self._require_offline()
            return books.offline.more(self.key, self._facts.user_id, books.now(), question.amount)

    def _ask(self, question: Question) -> Answer:
        """Raises StoreAway."""
        self._asked = self._books.lane.put(question)
        self._books.opened(self._facts.turn_id)
        return self._books.lane.answer(self._asked)

    def _require_offline(self) -> None:
        if not self._books.serves_without_store:
            raise Unavailable(cause="database") from None

    def _refuse(self, answer: Answer) -> None:
        if answer.refusal:
            self._books.listener.turn_refused(self.key.name, answer.refusal.limit)
            raise error_of(answer.refusal)

    def _release(self, amount: Amount) -> None:
        self._outstanding = Amount(
            self._outstanding.tokens - amount.tokens, self._outstanding.cost - amount.cost
        )


def _sum(one: Amount, other: Amount) -> Amount:
    return Amount(one.tokens + other.tokens, one.cost + other.cost)
