"""The keys that a worker knows, in memory: checking one takes no query, and the same time for every key."""

from dataclasses import replace

from service.access.health import StoreReplaced
from service.access.keys import ANONYMOUS, Key
from service.access.registry import Changes
from service.chat.account import KeyProblem


class Keyring:
    """What the store said last. number: of its changes; -1 before it was asked."""

    def __init__(self) -> None:
        self.number = -1
        self._identity: str | None = None
        self.keys: dict[str, Key] = {}
        self._secrets: dict[str, tuple[str, int | None]] = {}

    def learn(self, changes: Changes) -> None:
        """Raises StoreReplaced: what is known stays known."""
        if self._identity not in (None, changes.identity):
            raise StoreReplaced
        self._identity = changes.identity
        if changes.number < self.number:
            # an older state of it was restored, and this is all of it
            self.keys.clear()
            self._secrets.clear()
        self.number = changes.number
        self.keys |= {key.name: key for key in changes.keys}
        self._secrets |= {found: (name, ends) for found, name, ends in changes.secrets}

    @property
    def is_empty(self) -> bool:
        """Whether nobody was ever given a key."""
        return self.keys.keys() <= {ANONYMOUS}

    @property
    def anonymous(self) -> Key:
        """Before the store was asked, nobody is let in without a key."""
        unknown = Key(ANONYMOUS, disabled=True)
        return self.keys.get(ANONYMOUS, unknown)

    def find(self, secret_hash: str, now_us: int) -> tuple[Key | None, KeyProblem | None]:
        """The key, or why it is none; one that may not be used is found, with its problem."""
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
