"""The composition root. Only this file and service/protection.py import from every room."""

import time
from collections.abc import Callable
from pathlib import Path

from flask import Flask

from service import __version__
from service.access.access import Access, Policy, open_access
from service.chat.prompt import Defaults
from service.chat.request import Limits
from service.chat.turn import Turns
from service.llm import chain_notices, chains, models, own_models, price_file, providers
from service.llm.chain_checks import UnusableChain
from service.llm.chain_turn import Surroundings
from service.llm.estimates import Estimates
from service.llm.guarded import guarded_copy
from service.llm.loop_watch import LoopWatch
from service.protection import TICK_SECONDS, Protection
from service.resilience.admission import Admission
from service.settings import Settings
from service.telemetry import chain_metrics, logs, metrics, turns
from service.telemetry.access_metrics import AccessMetrics
from service.telemetry.guard_metrics import GuardMetrics
from service.web import chat, openai, openapi, pages, probes, site, usage
from service.web.context import Entry
from service.web.drain import Drain

# errors that prevent a start, each reported as one sentence
REFUSALS = (UnusableChain, providers.UnusableModel, price_file.UnusablePrices)


def create_app(settings: Settings) -> Flask:
    """Called in each worker after the fork. Raises one of REFUSALS."""
    dropped = metrics.LOG_LINES_DROPPED.inc
    logs.configure(settings.log_level, settings.secrets, dropped, settings.log_format)
    clock = time.monotonic
    drain = Drain(settings.drain_deadline_seconds, clock)
    protection = Protection(settings, GuardMetrics())
    built = build_chains(settings, protection, chain_metrics.step_took)
    limits = _limits(settings, built.names)
    slots = settings.max_concurrent_turns
    admission = Admission(slots, settings.admission_wait_seconds)
    turns.announce(slots, __version__, settings.llm_client, _providers_of(settings), built.names)
    running = Turns(
        limits=limits,
        defaults=defaults_of(settings, built.names[0]),
        admit=admission.admit,
        answer=built.answer,
        begin=lambda caller, turn_id: turns.TurnRecord(caller, turn_id, clock),
        drained=drain.passed,
        clock=clock,
        look_seconds=TICK_SECONDS,
        turn_seconds=settings.turn_timeout_seconds,
        most_calls=settings.max_calls_per_turn,
    )
    access = _open(settings, protection)
    entry = Entry(access, settings.max_body_bytes)
    streaming = chat.Streaming(
        settings.stream_hold_seconds,
        settings.heartbeat_seconds,
        settings.show_thinking,
        settings.chat_keepalive_seconds,
    )
    app = site.build(
        [
            chat.blueprint(running, streaming, drain, entry, clock),
            openai.blueprint(running, streaming, drain, entry, settings.provider, clock),
            usage.blueprint(access),
            probes.blueprint(drain.draining, protection.states),
            pages.blueprint(openapi.describe(limits, settings.max_body_bytes)),
        ],
        settings.cors_origins,
        settings.allowed_hosts + settings.domain,
        settings.send_timeout_seconds,
        turns.report_bug,
    )
    app.extensions["drain"] = drain
    app.extensions["access"] = access
    app.extensions["look"] = protection.look
    app.extensions["loop"] = LoopWatch(metrics.LOOP_LAG.observe, chain_metrics.loop_blocked)
    return app


def _open(settings: Settings, protection: Protection) -> Access:
    policy = Policy(
        mode=settings.access,
        serves_without_store=settings.access_without_store == "serve",
        ledger_days=settings.ledger_days,
    )
    return open_access(
        settings.store_address,
        Path(settings.data_dir),
        settings.tz,
        policy,
        Estimates(protection.dearest),
        AccessMetrics(),
    )


def build_chains(
    settings: Settings, protection: Protection, timed: Callable[[str, str, float], None]
) -> chains.Chains:
    """timed is called with chain, step and seconds. Raises one of REFUSALS."""
    primary = protection.primary_model()
    found = chains.builders()
    around = Surroundings(
        guards=models.Guards(protection.guard(), protection.own_guard),
        bill=protection.counter.estimate,
        cost=protection.cost,
        timed=timed,
        dropped=chain_metrics.data_dropped,
        step_seconds=settings.step_timeout_seconds,
        tick_seconds=TICK_SECONDS,
    )
    plans = chains.build(guarded_copy(primary, is_configured=True), found)
    own_models.announce(chain_metrics.unguarded_models)
    for notice in chain_notices.notices(plans):
        chain_metrics.notice(notice.chain, notice.what, notice.effect)
    return chains.Chains(plans, around)


def _providers_of(settings: Settings) -> dict[str, str]:
    """The provider of each model that may be called."""
    fallback = settings.fallback
    return dict.fromkeys(settings.models, settings.provider) | (
        {fallback.name: fallback.provider} if fallback else {}
    )


def _limits(settings: Settings, names: tuple[str, ...]) -> Limits:
    return Limits(
        models=settings.models,
        chains=names,
        allow_system=settings.allow_system,
        max_question_chars=settings.max_question_chars,
        max_system_chars=settings.max_system_chars,
        max_history_messages=settings.max_history_messages,
        max_history_chars=settings.max_history_chars,
        max_output_tokens=settings.max_output_tokens,
    )


def defaults_of(settings: Settings, chain: str) -> Defaults:
    return Defaults(
        model=settings.models[0],
        system=settings.system_prompt or "",
        temperature=settings.llm_temperature,
        max_tokens=settings.max_output_tokens,
        chain=chain,
    )
