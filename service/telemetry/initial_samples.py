"""Creates every series of the counters at 0 before anything is counted.

To Prometheus, a counter whose first sample is 1 has not increased: the first failure of a kind would raise no alert.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import product
from typing import get_args

from prometheus_client import Counter

from service.chat.account import KeyProblem, LimitName
from service.chat.attempt import NoError, RetryDenial
from service.errors import CircuitOpen, Ending, Internal, SetUp, UpstreamFailure, kinds
from service.telemetry import metrics

# the name for callers without a key
ANONYMOUS = "anonymous"
ROUTES = ("/chat", "/chat/stream", "/v1/chat/completions")


def begin(operation: str, models: Mapping[str, str], chains: Collection[str]) -> None:
    """models: every model that may be called, with its provider. Called once per worker."""
    for chain, ending in product(chains, get_args(Ending)):
        metrics.CHAIN_TURNS.labels(chain, ending)
    failures = kinds(UpstreamFailure)
    codes = sorted({kind.code for kind in failures if kind.reroutable})
    results = [
        *get_args(NoError),
        Internal.code,
        *sorted({kind.code for kind in failures}),
    ]
    for route in ROUTES:
        metrics.TURNS_STARTED.labels(route)
        metrics.FIRST_SIGN.labels(route)
        metrics.FIRST_TOKEN.labels(route)
        metrics.LONGEST_GAP.labels(route)
    for route, ending in product(ROUTES, get_args(Ending)):
        metrics.TURNS.labels(route, ending)
    for route, ending in product(ROUTES, metrics.CUT_ENDINGS):
        metrics.CUT.labels(route, ending)
    for counter in (metrics.RETRIES, metrics.RESTARTS):
        _zero(counter, codes)
    _zero(metrics.FALLBACKS, [*codes, CircuitOpen.code])
    _zero(metrics.WASTED, get_args(metrics.WasteReason))
    _zero(metrics.RETRIES_DENIED, get_args(RetryDenial))
    _begin_models(operation, models, results)


def _begin_models(operation: str, models: Mapping[str, str], results: Collection[str]) -> None:
    _zero(metrics.COST, models)
    _zero(metrics.UNPRICED, models)
    for (model, provider), kind in product(models.items(), ("input", "output")):
        metrics.TOKEN_USAGE.labels(operation, provider, model, kind)
    for model, reason in product(models, get_args(SetUp)):
        metrics.REFUSALS.labels(model, reason)
    for model, parameter in product(models, metrics.USUAL_PARAMETERS):
        metrics.ADAPTED.labels(model, parameter)
    for model, result in product(models, results):
        metrics.ATTEMPTS.labels(model, result)
        metrics.ESTIMATED.labels(model, result)
    _zero(metrics.KEYS_REFUSED, get_args(KeyProblem))
    begin_key(ANONYMOUS)


def begin_key(name: str) -> None:
    """Called once per worker for each API key, before it is used if possible."""
    shown = metrics.KEY_NAMES.shown(name)
    metrics.KEY_COST.labels(shown)
    for kind in ("input", "output"):
        metrics.KEY_TOKENS.labels(shown, kind)
    for ending in get_args(Ending):
        metrics.KEY_TURNS.labels(shown, ending)
    for limit in get_args(LimitName):
        metrics.KEY_REFUSALS.labels(shown, limit)


def _zero(counter: Counter, values: Iterable[str]) -> None:
    for value in values:
        counter.labels(value)
