"""IDs that a caller may choose. They stand in logs, headers and tables, so they contain no API key."""

import re

SHAPE = re.compile(r"(?!.*csk_[0-9A-Za-z]{4})[A-Za-z0-9._-]{8,64}")


def is_well_formed(text: str) -> bool:
    return SHAPE.fullmatch(text) is not None
