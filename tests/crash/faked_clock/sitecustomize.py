"""Loaded by Python at its start, where libfaketime is.

Python sleeps until a point of the monotonic clock, and libfaketime 0.9.10 takes that point for one of the faked wall
clock and refuses it. Waiting for nothing on no file lasts as long, and is left alone.
"""

import select
import time


def sleep(seconds: float) -> None:
    select.select([], [], [], seconds)


time.sleep = sleep
