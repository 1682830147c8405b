"""A worker's keys, in memory: checking one needs no query, and takes the same time for every key."""

from dataclasses import replace

from service.access.health import StoreReplaced
from service.access.keys import ANONYMOUS, Key
from service.access.registry import Changes
from service.chat.account import KeyProblem


class Keyring:
    """The store's last known keys. number: of the last change; -1: never queried."""

    def __init__(self) -> None:
        self.number = -1
        self._identity: str | None = None
        self.keys: dict[str, Key] = {}
        self._secrets: dict[str, tuple[str, int | None]] = {}

    def learn(self, changes: Changes) -> None:
        """Raises StoreReplaced and keeps what is known."""
        if self._identity not in (None, changes.identity):
            raise StoreReplaced
        self._identity = changes.identity
        if changes.number < self.number:
            # an older state was restored, and these are all its keys
            self.keys.clear()
            self._secrets.clear()
        self.number = changes.number
        self.keys |= {key.name: key for key in changes.keys}
        self._secrets |= {found: (name, ends) for found, name, ends in changes.secrets}

    @property
    def is_empty(self) -> bool:
        """Whether no key has ever been created."""
        return self.keys.keys() <= {ANONYMOUS}

    @property
    def anonymous(self) -> Key:
        """The key of open access. Before the first query, nobody is let in without a key."""
        unknown = Key(ANONYMOUS, disabled=True)
        return self.keys.get(ANONYMOUS, unknown)

    def find(self, secret_hash: str, now_us: int) -> tuple[Key | None, KeyProblem | None]:
        """Returns the key and its problem; a key that may not be used is returned with its problem."""
        name, secret_ends = self._secrets.get(secret_hash, ("", None))
        key = self.keys.get(name)
        if key is None:
            return None, "unknown"
        if key.disabled:
            return key, "disabled"
        over = replace(key, expires_at_us=secret_ends)
        if not (key.is_usable(now_us) and over.is_usable(now_us)):
            return key, "expired"
        return key, None
