"""The composition root: the only file that knows every room."""

import time

from flask import Flask

from service import __version__
from service.chat.prompt import Defaults
from service.chat.request import Limits
from service.chat.turn import Turns
from service.llm import models, prices, tokens
from service.resilience.admission import Admission
from service.resilience.attempt import Patience, Upstream
from service.resilience.guard import Guard
from service.settings import Settings
from service.telemetry import logs, turns
from service.web import chat, openapi, ops, site
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
    turns.announce(settings.max_concurrent_turns, __version__, settings.llm_client)
    running = Turns(
        limits=limits,
        defaults=_defaults(settings),
        admit=admission.admit,
        guard=_guard(settings),
        begin=lambda caller: turns.TurnRecord(caller, PROVIDER, clock),
        drained=drain.passed,
        clock=clock,
        look_seconds=TICK_SECONDS,
    )
    streaming = chat.Streaming(settings.stream_hold_seconds, settings.heartbeat_seconds)
    app = site.build(
        [
            chat.blueprint(running, streaming, drain, settings.max_body_bytes, clock),
            ops.blueprint(drain.draining, dict, openapi.describe(limits)),
        ],
        settings.cors_origins,
        settings.send_timeout_seconds,
        turns.report_bug,
    )
    app.extensions["drain"] = drain
    return app


def _guard(settings: Settings) -> Guard:
    counter = tokens.load_counter()
    price_list = prices.load_prices(settings.prices_path)
    turns.warn_of_gaps(
        exact_counts=counter.exact,
        unpriced=[name for name in settings.models if price_list.price(name) is None],
    )
    model = models.build_model(settings.llm_model, _access(settings))
    primary = Upstream(
        name=None,
        open=models.opener(model, None, TICK_SECONDS),
        estimate=counter.estimate,
        cost=price_list.cost,
    )
    patience = Patience(
        settings.first_token_timeout_seconds, settings.idle_timeout_seconds, TICK_SECONDS
    )
    return Guard(primary, patience, settings.turn_timeout_seconds, time.monotonic)


def _access(settings: Settings) -> models.Access:
    longest = max(settings.first_token_timeout_seconds, settings.idle_timeout_seconds)
    return models.Access(
        base_url=settings.openai_base_url,
        api_key=settings.api_key,
        connect_seconds=settings.connect_timeout_seconds,
        read_seconds=longest + 5,
        connections=settings.max_concurrent_turns + 10,
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        models=settings.models,
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
        system=settings.system_prompt,
        temperature=settings.llm_temperature,
        max_tokens=settings.max_output_tokens,
    )
