"""The guarded models: clients, prices, breakers and the guard around them, one set per worker."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from service.chat.events import Usage
from service.llm import models, prices, providers, sdk_clients, tokens
from service.llm.model_call import ModelCall
from service.llm.wire.client import Access, Client
from service.resilience.breaker import Alone, Breaker, Breakers
from service.resilience.budget import RetryBudget
from service.resilience.call import Upstream
from service.resilience.guard import Guard, Route
from service.resilience.patience import ALONE_SECONDS, Patience
from service.resilience.retry import RetryPolicy
from service.resilience.sharing import RedisSharing
from service.settings import Settings
from service.settings.names import OPENAI
from service.telemetry import model_metrics, turns
from service.telemetry.guard_metrics import GuardMetrics

# how often a turn checks clock, caller and drain
TICK_SECONDS = 0.25


class Protection:
    """Upstreams, breakers and the guard around them. Each model has one breaker per server."""

    def __init__(self, settings: Settings, listener: GuardMetrics) -> None:
        self._settings = settings
        self._listener = listener
        self.counter = tokens.load_counter()
        self._prices = prices.load_prices(settings.prices_path)
        self._sharing = _sharing(settings, listener)
        self._all: list[Breaker] = []
        self._looks: list[tuple[Client, Sequence[str], bool]] = []
        self._budget = RetryBudget(settings.retry_budget)
        self._patience = _patience(settings)
        self._access = _access(settings)
        self._primary = self._model(settings.provider, settings.models[0], self._access)
        self._own: dict[Any, Guard] = {}
        self._routes = self._configured_routes()
        if self._sharing is not None:
            self._sharing.start()

    def primary_model(self) -> Any:
        return self._primary

    def states(self) -> dict[str, str]:
        return {breaker.model: breaker.state for breaker in self._all}

    def dearest(self, model: str, usage: Usage) -> float | None:
        """The highest price among the servers this model may be called at; None if any of them has no price."""
        costs = [route.upstream.cost(route.upstream.name or model, usage) for route in self._routes]
        known = [cost for cost in costs if cost is not None]
        return max(known) if len(known) == len(costs) else None

    def cost(self, model: str, usage: Usage) -> float | None:
        """The cost of a call to a model that a chain created itself."""
        return self._prices.at("").cost(model, usage)

    def guard(self) -> Guard:
        return self._around(self._routes)

    def own_guard(self, model: Any) -> Guard:
        """The guard for a model that a chain created itself, and for its copies; the fallback is shared."""
        sdk_clients.with_timeouts(model, self._access.connect_seconds, self._access.read_seconds)
        place = providers.place_of(model)
        if place not in self._own:
            upstream = Upstream(
                None,
                providers.provider_opener(model, None, TICK_SECONDS),
                self._estimate,
                self.cost,
                providers.provider_of(model),
            )
            own = Route(upstream, Breakers(self._own_breaker))
            self._own[place] = self._around((own, *self._routes[1:]))
        return self._own[place]

    def _around(self, routes: tuple[Route, ...]) -> Guard:
        settings = self._settings
        return Guard(
            routes=routes,
            retry=RetryPolicy(settings.retry_attempts, self._budget, self._listener),
            patience=self._patience,
            listener=self._listener,
            clock=time.monotonic,
            sleep=time.sleep,
            tick_seconds=TICK_SECONDS,
        )

    def _configured_routes(self) -> tuple[Route, ...]:
        settings = self._settings
        unpriced: list[str] = []
        primary = self._primary, settings.provider, self._access
        routes = [self._route(*primary, None, settings.models, unpriced)]
        if fallback := settings.fallback:
            access = replace(
                self._access,
                base_url=settings.fallback_address,
                api_key=settings.fallback_key,
                extra_headers=settings.headers_at(settings.fallback_address),
            )
            model = self._model(*fallback, access)
            name = fallback.name
            routes.append(self._route(model, fallback.provider, access, name, [name], unpriced))
        turns.announce_bill(prices.snapshot(), exact_counts=self.counter.exact, unpriced=unpriced)
        return tuple(routes)

    def _model(self, provider: str, name: str, access: Access) -> Any:
        if provider != OPENAI:
            return providers.build_model(provider, name, access)
        return models.build_model(name, access)

    def look(self) -> None:
        """Fetches each server's list of models and reports configuration mistakes."""
        for client, asked, fallback in self._looks:
            if (finding := client.look(asked)) is not None:
                model_metrics.found(finding.problem, finding.says, fallback=fallback)

    def _client(self, access: Access) -> Client:
        return Client(
            access,
            TICK_SECONDS,
            model_metrics.Adaptations().adapted,
            lean=self._settings.llm_client == "lean",
            strip_think_tags=self._settings.strip_think_tags,
        )

    def _route(
        self,
        model: Any,
        provider: str,
        access: Access,
        name: str | None,
        asked: Sequence[str],
        unpriced: list[str],
    ) -> Route:
        published = self._prices.of(provider, access.base_url)
        unpriced.extend(one for one in asked if not published.knows(one))
        opener: Any
        if provider == OPENAI:
            client = self._client(access)
            self._looks.append((client, asked, name is not None))
            opener = models.opener(model, client, name)
        else:
            opener = providers.provider_opener(model, name, TICK_SECONDS)
        upstream = Upstream(name, opener, self._estimate, published.cost, provider)
        # the same model may be available at two servers, each with its own health
        twice = name is not None and name in self._settings.models
        breakers = Breakers(lambda one: self._breaker(f"{one} (fallback)" if twice else one))
        for one in asked:
            breakers.of(one)
        return Route(upstream, breakers)

    def _estimate(self, call: ModelCall, answer: str) -> Usage:
        return self.counter.estimate(call.texts, answer)

    def _own_breaker(self, model: str) -> Breaker:
        """For a chain's own model, which may have the name of a configured one."""
        settings = self._settings
        named = (*settings.models, *([settings.fallback.name] if settings.fallback else []))
        return self._breaker(f"{model} (chain)" if model in named else model)

    def _breaker(self, name: str) -> Breaker:
        settings = self._settings
        breaker = Breaker(
            name,
            settings.breaker_failures,
            settings.breaker_open_seconds,
            _probe_seconds(settings),
            time.monotonic,
            self._listener,
            self._sharing or Alone(),
        )
        self._all.append(breaker)
        if self._sharing is not None:
            self._sharing.watch(breaker)
        return breaker


def _patience(settings: Settings) -> Patience:
    return Patience(
        first_content_seconds=settings.first_token_timeout_seconds,
        idle_seconds=settings.idle_timeout_seconds,
        thinking_seconds=settings.thinking_timeout_seconds,
        turn_seconds=settings.turn_timeout_seconds,
        clock=time.monotonic,
    )


def _probe_seconds(settings: Settings) -> float:
    """How long a probe may block the next one; a model that is still loading takes longer."""
    first = settings.first_token_timeout_seconds or ALONE_SECONDS
    return first + settings.connect_timeout_seconds


def _sharing(settings: Settings, listener: GuardMetrics) -> RedisSharing | None:
    url = settings.redis_url.get_secret_value()
    if not url:
        return None
    return RedisSharing(url, settings.breaker_open_seconds, _probe_seconds(settings), listener)


def _access(settings: Settings) -> Access:
    # later than every deadline of the app: after a process was suspended, the socket's timeout is checked first,
    # before data that has arrived in the meantime is read
    return Access(
        base_url=settings.address,
        api_key=settings.api_key,
        connect_seconds=settings.connect_timeout_seconds,
        read_seconds=settings.turn_timeout_seconds + 5,
        connections=settings.max_concurrent_turns + 10,
        extra_headers=settings.headers_at(settings.address),
    )
