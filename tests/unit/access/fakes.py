"""What the room is given instead of telemetry and of event loops."""


class Heard:
    """A listener that remembers."""

    def __init__(self):
        self.dependency = []
        self.problems = []
        self.refused = []
        self.waiting = 0
        self.dropped = []
        self.swept = 0

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


def directly(job, _seconds):
    """A runner: in the thread that asks."""
    return job()
