"""Waiting for the store for as long as something comes from it."""

from collections.abc import Callable

TICK_SECONDS = 0.02


def waited(wait: Callable[[float], bool], replies: Callable[[], int], seconds: float) -> bool:
    """Whether it came; False after so many seconds without any reply. wait: for at most so long, whether it came."""
    while True:
        seen = replies()
        # a loop that is late sees that time has passed before it sees what has arrived: it looks again
        for pause in (seconds - 2 * TICK_SECONDS, TICK_SECONDS, TICK_SECONDS):
            if wait(pause):
                return True
        if replies() == seen:
            return False
