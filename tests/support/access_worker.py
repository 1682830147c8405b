"""What a worker does with the store, without a web server: for tests of races and of a store that is down.

with AccessWorker(address, folder) as worker:
    worker.ask("turns", count=200, cost=5)      # at once; how each of them went
"""

if __name__ == "__main__":
    from gevent import monkey

    monkey.patch_all()

import contextlib
import json
import subprocess
import sys
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import gevent
from gevent.fileobject import FileObjectThread

from service.access.access import Access, Policy, open_access
from service.access.account import Account
from service.access.admissions import Look
from service.errors import ChatError
from tests.support.service import ROOT
from tests.unit.access.fakes import Asked, Heard, Said, attempt, prompt_of

TICK_SECONDS = 0.01


class AccessWorker:
    """A separate process, patched by gevent like a worker. policy: fields of Policy that differ."""

    def __init__(self, address: str, folder: Path, **policy: Any) -> None:
        options = json.dumps({"address": address, "folder": str(folder), "policy": policy})
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.access_worker", options],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid

    def ask(self, command: str, **arguments: Any) -> Any:
        self.tell(command, **arguments)
        return self.answer()

    def tell(self, command: str, **arguments: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([command, arguments]) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the worker has ended")
        return json.loads(line)

    def until(self, command: str, wanted: Any, timeout: float = 20, **arguments: Any) -> None:
        """Asks until this is the answer."""
        until = time.monotonic() + timeout
        while (found := self.ask(command, **arguments)) != wanted:
            if time.monotonic() > until:
                raise TimeoutError(f"{command} is {found}, not {wanted}")
            time.sleep(0.05)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()


class Commands:
    """Each method is a command; what it returns is the answer."""

    def __init__(self, access: Access, heard: Heard) -> None:
        self._access = access
        self._heard = heard
        self._open: list[Account] = []
        self._longest_gap = 0.0
        gevent.spawn(self._measure_gaps)

    def turns(self, count: int = 1, *, in_turn: bool = False, **arguments: Any) -> list[Any]:
        """[error code or None, why, seconds it waited, the key's state's time]; all at once, or one after the other."""
        if in_turn:
            return [self._turn(**arguments) for _ in range(count)]
        greenlets = [gevent.spawn(self._turn, **arguments) for _ in range(count)]
        gevent.joinall(greenlets, raise_error=True)
        return [greenlet.value for greenlet in greenlets]

    def killed_turns(self, count: int, seconds: float) -> int:
        """Starts turns and kills their greenlets after a while; returns how many were killed in the middle."""
        greenlets = [gevent.spawn(self._turn) for _ in range(count)]
        # all of them have started
        gevent.sleep(0)
        gevent.sleep(seconds)
        running = [greenlet for greenlet in greenlets if not greenlet.dead]
        gevent.killall(running)
        return len(running)

    def end(self, cost: int | None = None) -> int:
        """Ends the turns that were left open."""
        for account in self._open:
            self._finish(account, cost)
        ended = len(self._open)
        self._open.clear()
        return ended

    def identify(self, key: str | None) -> str:
        try:
            return self._access.identify(f"Bearer {key}" if key else None).name
        except ChatError as error:
            return f"{error.code}: {error.cause}"

    def is_open(self) -> bool:
        return self._access.is_open

    def longest_gap(self) -> float:
        """The longest time that the loop was blocked since the last call."""
        longest, self._longest_gap = self._longest_gap, 0.0
        return longest

    def usage(self, key: str = "team-a") -> dict[str, Any]:
        found = self._access.key(key)
        answer = self._access.lane.answer(self._access.lane.put(Look(found.name, None)))
        state = answer.levels[0][0]
        return {"spent": state.spent_month, "reserved": state.reserved, "open": state.open_answers}

    def heard(self) -> dict[str, Any]:
        return vars(self._heard)

    def up(self) -> bool:
        return bool(self._heard.dependency and self._heard.dependency[-1][0])

    def waiting(self) -> int:
        return self._heard.waiting

    def flush(self) -> bool:
        return self._access.stop(10)

    def connections(self) -> int:
        return self._access._keeper._store.database.in_use()

    def _turn(
        self,
        key: str = "team-a",
        user: str | None = None,
        tokens: int = 10,
        cost: int | None = 1,
        *,
        keep: bool = False,
    ) -> list[Any]:
        account = self._access.account(
            self._access.key(key),
            turn_id=str(uuid.uuid4()),
            request_id="request-1",
            user_id=user,
            address="192.0.2.7",
            route="/chat",
        )
        asked = Asked(tokens, 0, cost)
        began = time.monotonic()
        error = None
        ending = "disconnected"
        try:
            account.begin(prompt_of(asked, user))
            if keep:
                self._open.append(account)
            else:
                self._finish(account, cost)
        except ChatError as refusal:
            error, ending = refusal, refusal.ending
        finally:
            if not keep or error:
                account.end(ending, error)
        at_us = account.figures.levels[0][0].at_us if account.figures else 0
        code, cause = (error.code, error.cause) if error else (None, None)
        return [code, cause, time.monotonic() - began, at_us]

    def _measure_gaps(self) -> None:
        while True:
            before = time.monotonic()
            gevent.sleep(TICK_SECONDS)
            gap = time.monotonic() - before - TICK_SECONDS
            self._longest_gap = max(self._longest_gap, gap)

    @staticmethod
    def _finish(account: Account, cost: int | None) -> None:
        account.attempt(attempt(cost=cost))
        account.end("completed", None)


def main(options: dict[str, Any]) -> None:
    policy = {"mode": "auto", "serves_without_store": True, "ledger_days": 400} | options["policy"]
    heard = Heard()
    access = open_access(
        options["address"], Path(options["folder"]), "UTC", Policy(**policy), Said(), heard
    )
    access.start()
    commands = Commands(access, heard)
    for line in FileObjectThread(sys.stdin):
        command, arguments = json.loads(line)
        print(json.dumps(getattr(commands, command)(**arguments)), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
