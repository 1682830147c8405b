"""One turn's account: begun once, checked before each model call, and ended once, whatever happens in between."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

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
from service.chat.account import Estimate
from service.chat.attempt import Attempt
from service.chat.prompt import Prompt
from service.chat.running_turn import ModelCall
from service.errors import ChatError, Ending, Forbidden, Unavailable


class Estimates(Protocol):
    """Upper estimates for model calls."""

    def of_prompt(self, prompt: Prompt) -> Estimate: ...
    def of_call(self, call: Any) -> Estimate:
        """call: a ModelCall with its messages."""


class Books(Protocol):
    """What all accounts of a worker share. now: the time of the store's clock."""

    @property
    def lane(self) -> Lane[Question, Answer]: ...
    @property
    def offline(self) -> Offline: ...
    @property
    def estimates(self) -> Estimates: ...
    @property
    def listener(self) -> Listener: ...
    @property
    def serves_without_store(self) -> bool: ...
    @property
    def ledger_is_stuck(self) -> bool: ...

    def now(self) -> Moment: ...
    def waited_for_ended(self) -> bool:
        """Waits a moment for answers that have just ended to give back what they held; False: too many wait already."""

    def user_of(self, key: Key, user_id: str | None, address: str) -> str | None: ...
    def opened(self, turn_id: str) -> None: ...
    def closed(self, row: LedgerRow) -> None: ...


class Account:
    """figures: what is left, once the account has begun."""

    def __init__(self, books: Books, key: Key, facts: Facts) -> None:
        self.key = key
        self.figures: Figures | None = None
        self._books = books
        self._facts = facts
        self._began_at = time.monotonic()
        self._asked: Outcome[Answer] | None = None
        self._held = Amount()
        self._held_offline: Amount | None = None
        self._outstanding = Amount()
        self._calls: list[Call] = []
        self._ended = False
        # a chain may make several calls at the same time
        self._holding = threading.Lock()

    @property
    def user(self) -> str | None:
        """The user whose limits apply under the key."""
        return self._facts.user_id

    def begin(self, prompt: Prompt) -> None:
        """Begins the turn with its first model call. Raises Forbidden, RateLimited, BudgetExceeded, PayloadTooLarge or
        Unavailable."""
        user = self._books.user_of(self.key, prompt.user_id, prompt.address)
        named = {"chain": prompt.chain, "model": prompt.model}
        self._facts = replace(self._facts, user_id=user, **named)
        estimate = self._books.estimates.of_prompt(prompt)
        self._check(estimate)
        cost = picodollars(estimate.cost_usd or 0)
        answer = self._begin(
            Begin(self._facts, estimate.input_tokens, estimate.output_tokens, cost)
        )
        self.figures = Figures.of(answer)
        self._refuse(answer)
        self._held = answer.held

    @contextmanager
    def hold(self, call: ModelCall) -> Iterator[None]:
        """Held while a model call runs, including the turn's first. Raises Forbidden, RateLimited, BudgetExceeded or
        Unavailable."""
        estimate = self._books.estimates.of_call(call)
        self._check(estimate)
        wanted = Amount(
            estimate.input_tokens + estimate.output_tokens, picodollars(estimate.cost_usd or 0)
        )
        with self._holding:
            self._hold_more(wanted)
            self._outstanding = _sum(self._outstanding, wanted)
        try:
            yield
        finally:
            self._outstanding = _difference(self._outstanding, wanted)

    def attempt(self, attempt: Attempt) -> None:
        """Adds an attempt as it was billed."""
        usage, cost_usd = attempt.usage, attempt.cost_usd
        if usage is not None:
            call = Call(
                model=attempt.model,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cached_input_tokens=usage.cached_input_tokens or 0,
                estimated=usage.source == "estimated",
                cost=None if cost_usd is None else picodollars(cost_usd),
            )
            self._calls.append(call)

    def end(self, ending: Ending, error: ChatError | None) -> None:
        """Only the first call counts. Returns at once."""
        if self._ended:
            return
        self._ended = True
        now = self._books.now()
        row = LedgerRow(
            facts=self._facts,
            ending=ending,
            code=error.code if error else None,
            ended_at_us=now.us,
            duration_ms=int((time.monotonic() - self._began_at) * 1000),
            calls=tuple(self._calls),
        )
        self._books.offline.end(self.key, self.user, now, self._held_offline, row.spent)
        if self._asked is None:
            self._books.closed(row)
        else:
            # a lease granted after the turn's end has to be given back, too
            self._asked.add_done_callback(lambda _: self._books.closed(row))

    def _check(self, estimate: Estimate) -> None:
        priced = estimate.cost_usd is not None
        if not self.key.may_use(estimate.model, self._facts.chain, priced=priced):
            raise Forbidden(cause="model or chain" if priced else "model without a price")

    def _begin(self, question: Begin) -> Answer:
        books = self._books
        try:
            return self._ask(question)
        except StoreAway:
            self._require_offline()
            answer = books.offline.begin(
                self.key,
                self.user,
                books.now(),
                question.input_tokens,
                question.output_tokens,
                question.cost,
            )
            self._held_offline = None if answer.refusal else answer.held
            return answer

    def _hold_more(self, wanted: Amount) -> None:
        """Reserves more, unless the reservation suffices or the key has no budget."""
        spent = Amount(
            sum(call.tokens for call in self._calls), sum(call.cost or 0 for call in self._calls)
        )
        more = _difference(_sum(_sum(spent, self._outstanding), wanted), self._held)
        limited = self.key.limits.money or self.key.per_user.money
        if not limited or more.cost <= 0:
            return
        more = Amount(max(0, more.tokens), more.cost)
        self._refuse(self._more(More(self._facts, more, spent.cost)))
        self._held = _sum(self._held, more)

    def _more(self, question: More) -> Answer:
        books = self._books
        try:
            return self._ask(question)
        except StoreAway:
            self._require_offline()
            amount, spent = question.amount, question.spent
            return books.offline.more(self.key, self.user, books.now(), amount, spent)

    def _ask(self, question: Question) -> Answer:
        """Raises StoreAway."""
        answer = self._ask_once(question)
        if _is_held(answer) and self._books.waited_for_ended():
            answer = self._ask_once(question)
        if _is_held(answer) and self._books.ledger_is_stuck and self._books.serves_without_store:
            # what holds it may have ended long ago
            raise StoreAway
        return answer

    def _ask_once(self, question: Question) -> Answer:
        self._asked = self._books.lane.put(question)
        self._books.opened(self._facts.turn_id)
        answer = self._books.lane.answer(self._asked)
        if not answer.levels:
            raise Forbidden(cause="deleted")
        self._books.offline.saw(self.key.name, self.user, answer)
        return answer

    def _require_offline(self) -> None:
        if not self._books.serves_without_store:
            raise Unavailable(cause="database") from None

    def _refuse(self, answer: Answer) -> None:
        if answer.refusal:
            self._books.listener.turn_refused(self.key.name, answer.refusal.limit)
            raise error_of(answer.refusal)


def _is_held(answer: Answer) -> bool:
    return answer.refusal is not None and answer.refusal.is_held


def _sum(one: Amount, other: Amount) -> Amount:
    return Amount(one.tokens + other.tokens, one.cost + other.cost)


def _difference(one: Amount, other: Amount) -> Amount:
    return Amount(one.tokens - other.tokens, one.cost - other.cost)
