"""Reads `.env` strictly: anything that docker compose would read differently is an error."""

import re
from pathlib import Path

NAME = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.DOTALL)
# A quoted value may be followed only by a comment.
QUOTED = re.compile(r"""(?:'([^']*)'|"([^"$\\]*)")\s*(?:#.*)?""")
NEEDS_QUOTES = frozenset("'\"$\\")


class BrokenDotenv(ValueError):
    """One sentence with the line's number, but without the line, which may contain a key."""


def read(path: Path) -> dict[str, str]:
    """The variables of the file; none if there is no file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise BrokenDotenv(f"{path.name} is not UTF-8 text") from None
    except OSError as error:
        raise BrokenDotenv(f"{path.name} cannot be read: {error.strerror}") from None
    return _parse(text.split("\n"), path.name)


def _parse(lines: list[str], file_name: str) -> dict[str, str]:
    variables: dict[str, str] = {}
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        match = NAME.fullmatch(line)
        if match is None:
            raise BrokenDotenv(f"{file_name}, line {number}: this is not NAME=value")
        name, written = match.groups()
        if name in variables:
            raise BrokenDotenv(f"{file_name}, line {number}: {name} is set a second time")
        variables[name] = _value(written, f"{file_name}, line {number}: {name}")
    return variables


def _value(written: str, place: str) -> str:
    if written == "" or written.startswith("#"):
        return ""
    if quoted := QUOTED.fullmatch(written):
        return quoted[1] if quoted[1] is not None else quoted[2]
    bare = re.split(r"\s+#", written, maxsplit=1)[0]
    if NEEDS_QUOTES.isdisjoint(bare):
        return bare
    raise BrokenDotenv(f"{place}: a value with quotes, $ or \\ goes into 'single quotes'")
