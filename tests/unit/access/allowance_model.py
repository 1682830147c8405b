"""A plain reference for allowances: the theoretical arrival times of GCRA in fractions, and lists of what happened."""

from fractions import Fraction

MINUTE_US = 60_000_000


class Arrivals:
    """GCRA: a unit takes a minute divided by the limit, and as much as fits into the next minute may come at once."""

    def __init__(self):
        self.free_at = Fraction(0)

    def fits(self, now, per_minute, units):
        return max(self.free_at, now) + self._takes(per_minute, units) <= now + MINUTE_US

    def wait(self, now, per_minute, units):
        over = max(self.free_at, now) + self._takes(per_minute, units) - now - MINUTE_US
        return max(Fraction(0), over)

    def take(self, now, per_minute, units):
        self.free_at = max(self.free_at, now) + self._takes(per_minute, units)
        self.free_at = max(self.free_at, Fraction(now))

    def change(self, now, old, new):
        """The same units are used, and take as long as the new limit says: at most a minute."""
        if old is None or new is None:
            self.free_at = Fraction(now)
        else:
            used = max(Fraction(0), self.free_at - now) * Fraction(old, MINUTE_US)
            self.free_at = now + min(used * Fraction(MINUTE_US, new), Fraction(MINUTE_US))

    @staticmethod
    def _takes(per_minute, units):
        return Fraction(units * MINUTE_US, per_minute)


class Reference:
    """What a caller with these limits has done so far. now in microseconds; days are names."""

    def __init__(self, limits):
        self.limits = limits
        self.requests = Arrivals()
        self.tokens = Arrivals()
        self.held = {}
        self.paid = []

    def refused(self, now, day, amount):
        """The names of all limits that are in the way."""
        limits = self.limits
        names = set(self.over_budget(day, amount.cost))
        if limits.requests_per_minute and not self.requests.fits(
            now, limits.requests_per_minute, 1
        ):
            names.add("requests_per_minute")
        if limits.tokens_per_minute and not self.tokens.fits(
            now, limits.tokens_per_minute, amount.tokens
        ):
            names.add("tokens_per_minute")
        if limits.open_answers is not None and len(self.held) >= limits.open_answers:
            names.add("open_answers")
        return names

    def over_budget(self, day, cost):
        limits = self.limits
        wanted = sum(amount.cost for amount in self.held.values()) + cost
        if limits.budget_day is not None and self.spent(day) + wanted > limits.budget_day:
            yield "budget_day"
        if limits.budget_month is not None and self.spent(day[:7]) + wanted > limits.budget_month:
            yield "budget_month"

    def spent(self, period):
        return sum(cost for day, cost in self.paid if day.startswith(period))

    def begin(self, turn, now, amount):
        self.held[turn] = amount
        if self.limits.requests_per_minute:
            self.requests.take(now, self.limits.requests_per_minute, 1)
        self._count_tokens(now, amount.tokens)

    def top_up(self, turn, now, amount):
        before = self.held[turn]
        self.held[turn] = type(amount)(before.tokens + amount.tokens, before.cost + amount.cost)
        self._count_tokens(now, amount.tokens)

    def end(self, turn, now, day, amount):
        held = self.held.pop(turn)
        self._count_tokens(now, amount.tokens - held.tokens)
        self.paid.append((day, amount.cost))

    def change(self, now, limits):
        old, self.limits = self.limits, limits
        self.requests.change(now, old.requests_per_minute, limits.requests_per_minute)
        self.tokens.change(now, old.tokens_per_minute, limits.tokens_per_minute)

    def _count_tokens(self, now, tokens):
        if self.limits.tokens_per_minute:
            self.tokens.take(now, self.limits.tokens_per_minute, tokens)
