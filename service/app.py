"""The composition root: the only file that knows every room."""

import time
from collections.abc import Sequence
from dataclasses import replace

from flask import Flask

from service import __version__
from service.chat.prompt import Defaults
from service.chat.request import Limits
from service.chat.turn import Turns
from service.llm import models, prices, tokens
from service.resilience.admission import Admission
from service.resilience.breaker import Alone, Breaker, Sharing
from service.resilience.budget import RetryBudget
from service.resilience.call import Patience, Upstream
from service.resilience.guard import Guard, Route
from service.resilience.retry import RetryPolicy
from service.resilience.sharing import RedisSharing
from service.settings import Settings
from service.telemetry import logs, turns
from service.telemetry.guard_metrics import GuardMetrics
from service.web import chat, openapi, pages, probes, site
from service.web.drain import Drain

# how long a turn may go without a look at clock, caller and drain
TICK_SECONDS = 0.25
PROVIDER = "openai"


def create_app(settings: Settings) -> Flask:
    """One per worker, after its fork. Raises UnusablePrices."""
    logs.configure(settings.log_level, settings.secrets)
    clock = time.monotonic
    drain = Drain(settings.drain_deadline_seconds, clock)
    limits = _limits(settings)
    admission = Admission(settings.max_concurrent_turns, settings.admission_wait_seconds)
    guard, breakers = _guard(settings, GuardMetrics())
    names = _model_names(settings)
    slots = settings.max_concurrent_turns
    turns.announce(slots, __version__, settings.llm_client, PROVIDER, names)
    running = Turns(
        limits=limits,
        defaults=_defaults(settings),
        admit=admission.admit,
        answer=models.answerer(guard),
        begin=lambda caller, turn_id: turns.TurnRecord(caller, turn_id, PROVIDER, clock),
        drained=drain.passed,
        clock=clock,
        look_seconds=TICK_SECONDS,
        turn_seconds=settings.turn_timeout_seconds,
        most_calls=settings.max_calls_per_turn,
    )
    streaming = chat.Streaming(settings.stream_hold_seconds, settings.heartbeat_seconds)
    app = site.build(
        [
            chat.blueprint(running, streaming, drain, settings.max_body_bytes, clock),
            probes.blueprint(drain.draining, lambda: _states(breakers)),
            pages.blueprint(openapi.describe(limits)),
        ],
        settings.cors_origins,
        settings.send_timeout_seconds,
        turns.report_bug,
    )
    app.extensions["drain"] = drain
    return app


def _states(breakers: list[Breaker]) -> dict[str, str]:
    return {breaker.model: breaker.state for breaker in breakers}


def _guard(settings: Settings, listener: GuardMetrics) -> tuple[Guard, list[Breaker]]:
    sharing = _sharing(settings, listener)
    routes = _routes(settings, listener, sharing or Alone())
    breakers = [breaker for route in routes for breaker in route.breakers.values()]
    if sharing is not None:
        sharing.start(breakers)
    guard = Guard(
        routes=routes,
        retry=RetryPolicy(settings.retry_attempts, RetryBudget(settings.retry_budget), listener),
        patience=Patience(
            settings.first_token_timeout_seconds, settings.idle_timeout_seconds, TICK_SECONDS
        ),
        listener=listener,
        clock=time.monotonic,
        sleep=time.sleep,
    )
    return guard, breakers


def _sharing(settings: Settings, listener: GuardMetrics) -> RedisSharing | None:
    url = settings.redis_url.get_secret_value()
    probe_seconds = settings.first_token_timeout_seconds + settings.connect_timeout_seconds
    if not url:
        return None
    return RedisSharing(url, settings.breaker_open_seconds, probe_seconds, listener)


def _routes(settings: Settings, listener: GuardMetrics, sharing: Sharing) -> tuple[Route, ...]:
    counter = tokens.load_counter()
    price_list = prices.load_prices(settings.prices_path)
    unpriced: list[str] = []

    def route(access: models.Access, name: str | None, asked: Sequence[str]) -> Route:
        lean = settings.llm_client == "lean"
        model = models.build_model(asked[0], access, lean=lean, tick_seconds=TICK_SECONDS)
        published = price_list.at(access.base_url)
        unpriced.extend(one for one in asked if not published.knows(one))
        upstream = Upstream(
            name,
            models.opener(model, name, TICK_SECONDS),
            lambda call, answer: counter.estimate(call.texts, answer),
            published.cost,
        )
        breakers = {one: _breaker(one, name, settings, listener, sharing) for one in asked}
        return Route(upstream, breakers)

    routes = [route(_access(settings), None, settings.models)]
    if settings.fallback_model:
        name = settings.fallback_model
        routes.append(route(_fallback_access(settings), name, [name]))
    turns.announce_bill(prices.snapshot(), exact_counts=counter.exact, unpriced=unpriced)
    return tuple(routes)


def _model_names(settings: Settings) -> list[str]:
    return [*settings.models, *filter(None, [settings.fallback_model])]


def _breaker(
    model: str, fallback: str | None, settings: Settings, listener: GuardMetrics, sharing: Sharing
) -> Breaker:
    # the same model may be reached in two places, each with its own health
    twice = fallback is not None and fallback in settings.models
    return Breaker(
        f"{model} (fallback)" if twice else model,
        settings.breaker_failures,
        settings.breaker_open_seconds,
        time.monotonic,
        listener,
        sharing,
    )


def _access(settings: Settings) -> models.Access:
    # later than every deadline of the app: when a process that was held up goes on, the socket's time is judged first,
    # before what has arrived meanwhile is read
    return models.Access(
        base_url=settings.openai_base_url,
        api_key=settings.api_key,
        connect_seconds=settings.connect_timeout_seconds,
        read_seconds=settings.turn_timeout_seconds + 5,
        connections=settings.max_concurrent_turns + 10,
    )


def _fallback_access(settings: Settings) -> models.Access:
    """Its own address and key; the primary's key is sent to the primary's address alone."""
    base_url = settings.fallback_base_url or settings.openai_base_url
    shared_key = settings.api_key if base_url == settings.openai_base_url else ""
    own_key = settings.fallback_api_key.get_secret_value()
    return replace(_access(settings), base_url=base_url, api_key=own_key or shared_key)


def _limits(settings: Settings) -> Limits:
    return Limits(
        models=settings.models,
        chains=("chat",),
        allow_system=settings.allow_system,
        max_question_chars=settings.max_question_chars,
        max_system_chars=settings.max_system_chars,
        max_history_messages=settings.max_history_messages,
        max_history_chars=settings.max_history_chars,
        max_output_tokens=settings.max_output_tokens,
    )


def _defaults(settings: Settings) -> Defaults:
    return Defaults(
        model=settings.llm_model,
        system=settings.system_prompt or "",
        temperature=settings.llm_temperature,
        max_tokens=settings.max_output_tokens,
    )
