"""Waits for the store for as long as it keeps replying.

Time is counted in turns of our own loop: one that is late sees that time has passed before it sees what has arrived.
"""

from collections.abc import Callable

TICK_SECONDS = 0.025


def waited(wait: Callable[[float], bool], replies: Callable[[], int], seconds: float) -> bool:
    """Whether it came; False after so many seconds without any reply. wait: for at most so long, whether it came."""
    seen, quiet_ticks = replies(), 0
    while not wait(TICK_SECONDS):
        before, seen = seen, replies()
        quiet_ticks = quiet_ticks + 1 if seen == before else 0
        if quiet_ticks * TICK_SECONDS >= seconds:
            return False
    return True
