"""What the room is given instead of telemetry, of event loops, and of the llm room."""

import json
from dataclasses import dataclass

from service.chat.account import Estimate
from service.chat.attempt import Attempt
from service.chat.events import Usage
from service.chat.prompt import Prompt


class Heard:
    """A listener that remembers."""

    def __init__(self):
        self.dependency = []
        self.problems = []
        self.refused = []
        self.waiting = 0
        self.dropped = []
        self.swept = 0
        self.budgets = {}
        self.is_open = None
        self.known = []

    def dependency_is(self, _dependency, *, up, cause=None):
        self.dependency.append((up, cause))

    def key_refused(self, problem):
        self.problems.append(problem)

    def turn_refused(self, key, limit):
        self.refused.append((key, limit))

    def ledger_waiting(self, rows):
        self.waiting = rows

    def rows_dropped(self, rows, cause):
        self.dropped.append((rows, cause))

    def leases_swept(self, count):
        self.swept += count

    def key_known(self, key):
        if key not in self.known:
            self.known.append(key)

    def budgets_used(self, shares):
        self.budgets = {f"{key} {period}": share for key, period, share in shares}

    def access_is(self, *, is_open):
        self.is_open = is_open


def directly(job, _seconds):
    """A runner: in the thread that asks."""
    return job()


@dataclass(frozen=True)
class Asked:
    """A model call, as far as an account looks at it. cost in picodollars."""

    tokens: int = 10
    output: int = 0
    cost: int | None = 1
    model: str = "main"


def prompt_of(asked, user=None, **fields):
    """A prompt whose first call will be this one."""
    question = json.dumps(vars(asked))
    about = {"model": asked.model, "user_id": user, "address": "192.0.2.7"} | fields
    return Prompt(
        "", (), question, temperature=None, max_tokens=None, request_id="request-1", **about
    )


class Said:
    """Estimates, as the question says."""

    def of_prompt(self, prompt):
        return self.of_call(Asked(**json.loads(prompt.question)))

    def of_call(self, call):
        cost_usd = None if call.cost is None else call.cost / 10**12
        return Estimate(call.model, call.tokens, call.output, cost_usd)


def attempt(model="main", usage=None, cost=None):
    """cost in picodollars."""
    cost_usd = None if cost is None else cost / 10**12
    used = usage or Usage(5, 5, "reported")
    return Attempt(model, 0.0, usage=used, cost_usd=cost_usd)
