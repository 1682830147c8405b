"""Makes a stream that always finds data let others run."""

import gevent

MOST_BYTES = 65536
# reads before giving way; a server may send single bytes
MOST_READS = 32
# not 0: gevent runs all ready greenlets before it polls any socket
SHORTEST_SECONDS = 0.0001


class GiveWay:
    """One per stream: call took() after each read and wait() before the next."""

    def __init__(self) -> None:
        self._reads = 0
        self._bytes = 0

    def took(self, size: int) -> None:
        self._reads += 1
        self._bytes += size

    def wait(self) -> bool:
        """Returns whether it waited."""
        if self._bytes < MOST_BYTES and self._reads < MOST_READS:
            return False
        self._reads = self._bytes = 0
        gevent.sleep(SHORTEST_SECONDS)
        return True
