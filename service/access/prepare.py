"""Runs once per start, before there are workers: migrates the tables and checks that open access is intended."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from service.access.access import Mode
from service.access.allowance import Limits
from service.access.database import Database, UnusableDatabase, database_url
from service.access.figures import limits_shown
from service.access.health import kind_of
from service.access.keys import ANONYMOUS, Key
from service.access.migrate import migrate
from service.access.registry import changes_since

IDENTITY_FILE = "store-identity"


class OpenByMistake(ValueError):
    """One sentence for the operator."""


@dataclass(frozen=True)
class Prepared:
    """keys: how many were ever created. anonymous: the limits of open access."""

    keys: int
    anonymous: Key
    is_open: bool

    @property
    def told(self) -> dict[str, Any]:
        """For the log: who may use the service, within which limits."""
        if not self.is_open:
            return {"open_to": "holders of API keys", "keys": self.keys}
        return {
            "open_to": "everybody",
            "keys": self.keys,
            "limits": _logged(self.anonymous.limits),
            "limits_per_address": _logged(self.anonymous.per_user),
        }


def prepare(address: str, folder: Path, mode: Mode, published_by: str) -> Prepared:
    """published_by: the setting that lets other machines in, or empty. Raises UnusableDatabase or OpenByMistake."""
    url = database_url(address)
    migrate(url)
    database = Database(url)
    try:
        with database.reading() as connection:
            changes = changes_since(connection, -1)
    except DBAPIError as error:
        raise UnusableDatabase(f"cannot be read ({kind_of(error)})") from None
    finally:
        database.forget()
    if not database.is_sqlite:
        _remember(folder, changes.identity)
    found = {key.name: key for key in changes.keys}
    anonymous = found.pop(ANONYMOUS)
    is_open = mode == "open" or (mode == "auto" and not found)
    if is_open and mode == "auto" and published_by:
        raise OpenByMistake(
            f"{published_by} lets other machines in, and there is no API key yet: make one with"
            " `docker compose run --rm service flask keys create --name team-a`,"
            " or set ACCESS=open if everybody may ask"
        )
    return Prepared(len(found), anonymous, is_open)


def _logged(limits: Limits) -> dict[str, int | float]:
    shown = limits_shown(limits)
    return {
        name: float(value) if name.startswith("budget") else value for name, value in shown.items()
    }


def _remember(folder: Path, identity: str) -> None:
    """Without this, an empty database that replaced one with keys would let everybody in."""
    file = folder / IDENTITY_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            # written atomically, whichever replica is first
            own = file.with_suffix(f".{os.getpid()}")
            own.write_text(identity, encoding="ascii")
            own.replace(file)
        known = file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise UnusableDatabase(f"cannot be used: DATA_DIR {folder}: {error.strerror}") from None
    if known != identity:
        raise UnusableDatabase(
            "is not the one that this service used before: restore that one,"
            f" or delete {file} to begin with the one that is there"
        )
