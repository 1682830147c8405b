"""What all tests share."""

from hypothesis import settings

# the same examples on every machine, and no time limit for one of them: CI is slow at times
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")
