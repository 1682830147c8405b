"""asyncio among greenlets: they share one thread, for which asyncio knows only one running loop."""

import asyncio
import selectors
from asyncio.events import _get_running_loop, _set_running_loop
from typing import Any

import gevent


class _Selector(selectors.DefaultSelector):
    """While its loop waits, other greenlets run, and for them no loop is running: they may start one themselves.

    outside: the loop that was running in another greenlet, in the middle of a step that waits.
    """

    outside: asyncio.AbstractEventLoop | None = None

    def select(self, timeout: float | None = None) -> Any:
        ours = _get_running_loop()
        _set_running_loop(self.outside)
        try:
            return super().select(timeout)
        finally:
            self.outside = _get_running_loop()
            _set_running_loop(ours)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._hiding = _Selector()
        super().__init__(self._hiding)

    def run_forever(self) -> None:
        self.greenlet = gevent.getcurrent()
        self._hiding.outside = _get_running_loop()
        try:
            super().run_forever()
        finally:
            _set_running_loop(self._hiding.outside)

    def _check_running(self) -> None:
        """asyncio's own check refuses while another greenlet's loop is running."""
        if self.is_running():
            raise RuntimeError("This event loop is already running")


class _Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return _Loop()


def install() -> None:
    """Lets several greenlets run loops at once, by asyncio.run() in a tool, say."""
    asyncio.set_event_loop_policy(_Policy())


def current_task() -> "asyncio.Task[Any] | None":
    """The task that this greenlet is running."""
    loop = _get_running_loop()
    is_here = isinstance(loop, _Loop) and loop.greenlet is gevent.getcurrent()
    return asyncio.current_task(loop) if is_here else None
