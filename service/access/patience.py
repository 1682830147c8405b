"""Waits for the store as long as it keeps replying.

Time is counted in rounds of our own loop: a late loop notices that time has passed before it sees what has arrived.
"""

from collections.abc import Callable

TICK_SECONDS = 0.025


def waited(wait: Callable[[float], bool], replies: Callable[[], int], seconds: float) -> bool:
    """Whether the answer came; False after these seconds without any reply. wait(seconds): whether it came in time."""
    seen, quiet_ticks = replies(), 0
    while not wait(TICK_SECONDS):
        before, seen = seen, replies()
        quiet_ticks = quiet_ticks + 1 if seen == before else 0
        if quiet_ticks * TICK_SECONDS >= seconds:
            return False
    return True
