"""The text of a key: csk_, 43 characters of base62 at random, and 6 of checksum. Only its hash is stored.

The checksum is no protection: it tells a mistyped or foreign key without asking the database.
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
    """256 random bits need no slow hash: nobody can try them all."""
    return hashlib.sha256(text.encode()).hexdigest()


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    characters = []
    for _ in range(CHECKSUM_CHARS):
        number, place = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[place])
    return "".join(characters)
