"""A key: its name, and what its holder may do. The secret is stored elsewhere, and only as a hash."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from service.access.allowance import UNLIMITED, Limits

# open access is a key like any other; its users are addresses
ANONYMOUS = "anonymous"
NAME_SHAPE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Key:
    """models and chains None: all. allow_unpriced: models without a price may be used despite a budget."""

    name: str
    limits: Limits = UNLIMITED
    per_user: Limits = UNLIMITED
    models: frozenset[str] | None = None
    chains: frozenset[str] | None = None
    allow_unpriced: bool = False
    expires_at_us: int | None = None
    disabled: bool = False

    def is_usable(self, now_us: int) -> bool:
        return not self.disabled and (self.expires_at_us is None or now_us < self.expires_at_us)

    def offers(self, model: str, chain: str | None) -> bool:
        """Whether it may ask for them together, whatever that costs."""
        return (self.models is None or model in self.models) and (
            self.chains is None or chain is None or chain in self.chains
        )

    def may_use(self, model: str, chain: str | None, *, priced: bool) -> bool:
        """A budget cannot hold what has no price."""
        budgeted = self.limits.money or self.per_user.money
        return self.offers(model, chain) and (priced or self.allow_unpriced or not budgeted)


def limits_of(stored: Mapping[str, Any]) -> Limits:
    return Limits(**stored) if stored else UNLIMITED


def stored_limits(limits: Limits) -> dict[str, int]:
    return {name: value for name, value in asdict(limits).items() if value is not None}
