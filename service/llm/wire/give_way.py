"""A stream that always finds data must let the others run."""

import gevent

MOST_BYTES = 65536
# a server that drips single bytes finds each of them read at once
MOST_READS = 32
# not 0: gevent runs what is ready to run for as long as there is some, before it looks at any socket
SHORTEST_SECONDS = 0.0001


class GiveWay:
    """One per stream: took() after each read, wait() before the next."""

    def __init__(self) -> None:
        self._reads = 0
        self._bytes = 0

    def took(self, size: int) -> None:
        self._reads += 1
        self._bytes += size

    def wait(self) -> bool:
        """Whether it was time to."""
        if self._bytes < MOST_BYTES and self._reads < MOST_READS:
            return False
        self._reads = self._bytes = 0
        gevent.sleep(SHORTEST_SECONDS)
        return True
