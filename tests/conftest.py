"""What all tests share."""

from hypothesis import settings

# the same examples on every machine, and no time limit for one of them: CI is slow at times
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
# make test-unit, between two changes
settings.register_profile("quick", settings.get_profile("repeatable"), max_examples=20)
settings.load_profile("repeatable")
