"""The format of a key: csk_, 43 random base62 characters, and a checksum of 6. Only its hash is stored.

The checksum is not for security: it detects mistyped and foreign keys without a database query.
"""

import hashlib
import re
import secrets
import string
import zlib

PREFIX = "csk_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_CHARS = 43
CHECKSUM_CHARS = 6
SHAPE = re.compile(rf"{PREFIX}([0-9A-Za-z]{{{RANDOM_CHARS}}})([0-9A-Za-z]{{{CHECKSUM_CHARS}}})")


def new_secret() -> str:
    body = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARS))
    return PREFIX + body + _checksum(body)


def is_well_formed(text: str) -> bool:
    match = SHAPE.fullmatch(text)
    return match is not None and match[2] == _checksum(match[1])


def digest(text: str) -> str:
    """A fast hash suffices for 256 random bits, which nobody can guess."""
    return hashlib.sha256(text.encode()).hexdigest()


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    characters = []
    for _ in range(CHECKSUM_CHARS):
        number, place = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[place])
    return "".join(characters)
