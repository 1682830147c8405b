"""gunicorn's configuration, with the reason for each number. Read by the master before it forks.

Nothing above on_starting may load the app or an HTTP client: modules that import `ssl` before it is patched stay
unpatched. Nothing may start a greenlet or open a connection in the master: every fork would inherit it.
"""

import contextlib
import gc
import multiprocessing
import os
import resource
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker

from service import libraries
from service import settings as environment
from service.llm import extras, price_file
from service.llm.wire import address, proxies
from service.telemetry.worker_marks import WorkerMarks
from service.web.worker import patch_master

try:
    settings = environment.load()
    # each worker reads it again; reading it here turns a mistake into one sentence
    price_file.read(settings.prices_path)
    for provider in settings.providers:
        extras.require(provider)
    for base_url in settings.own_client_addresses:
        proxies.proxy_for(address.parse(base_url))
except (
    environment.UnsafeSettings,
    price_file.UnusablePrices,
    extras.MissingExtra,
    proxies.UnusableProxy,
) as refusal:
    raise SystemExit(f"The service cannot start: {refusal}.") from None

# prometheus_client chooses its value class on import, so the directory has to be set before that
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="chat-metrics-")
metrics_directory = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])

bind = (
    f"[{settings.host}]:{settings.port}"
    if ":" in settings.host
    else f"{settings.host}:{settings.port}"
)
worker_class = "service.web.worker.Worker"
workers = settings.web_concurrency
# admission limits turns well below this; the rest is for probes, the page and refusals
worker_connections = settings.max_concurrent_turns * 2 + 200
# longer than nginx keeps idle connections (10 s), so that nginx is the one that closes them
keepalive = 15
# a worker whose event loop is stuck for this long is broken; requests have their own deadlines
timeout = 60
# the app ends every answer before this; anything left is a bug
graceful_timeout = settings.graceful_timeout_seconds
# off: a worker that is being recycled would accept nothing while its long answers finish
max_requests = 0
# only third-party libraries are preloaded; see on_starting
preload_app = False
# forwarded headers are read only in web/context.py
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}
# a core dump would contain keys and questions
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
# for heartbeat files: a blocked disk must not look like a dead worker
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - gunicorn makes its files there without names
worker_tmp_dir = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
# its socket goes below HOME, which is read-only in a container
control_socket_disable = True
# the app logs each turn, and nginx each request
accesslog = None
proc_name = "chat"
LEDGER_SECONDS = 2
YOUNG_OBJECTS = 10_000


class OurLogger(Logger):  # type: ignore[misc]
    """gunicorn's records in the service's format."""

    def setup(self, _cfg: Config) -> None:
        from service.telemetry import logs

        logs.configure(settings.log_level, settings.secrets, form=settings.log_format)
        self.loglevel = settings.log_level
        self.error_log.setLevel(settings.log_level)
        for name in ("gunicorn.error", "gunicorn.access"):
            logs.adopt(name)


logger_class = OurLogger


def on_starting(server: Arbiter) -> None:
    """Loads what all workers share, and does what has to be done once."""
    patch_master()
    _finish_halting(server)
    libraries.load()
    _load_encoding()
    gc.freeze()
    # in a separate process, because connections do not survive a fork
    preparing = multiprocessing.get_context("fork").Process(target=_prepare)
    preparing.start()
    preparing.join()
    if preparing.exitcode:
        raise SystemExit(preparing.exitcode)


def _finish_halting(server: Arbiter) -> None:
    """gunicorn raises for every worker that cannot boot: for the second one out of its own halt, with a stack trace."""
    halt = server.halt

    def halt_in_the_end(reason: str | None = None, exit_status: int = 0) -> NoReturn:
        while True:
            with contextlib.suppress(HaltServer):
                halt(reason, exit_status)

    server.halt = halt_in_the_end


def _load_encoding() -> None:
    from service.llm import tokens

    tokens.encoding()


def _prepare() -> None:
    import gevent

    from service.access.prepare import OpenByMistake, UnusableDatabase, prepare
    from service.telemetry import turns

    gevent.reinit()
    try:
        folder = Path(settings.data_dir)
        address, published_by = settings.store_address, settings.published_by
        prepared = prepare(address, folder, settings.access, published_by)
    except UnusableDatabase as refusal:
        raise SystemExit(f"The service cannot start: the database {refusal}.") from None
    except OpenByMistake as refusal:
        raise SystemExit(f"The service cannot start: {refusal}.") from None
    report = turns.log().warning if prepared.is_open else turns.log().info
    report("access", **prepared.told)


def when_ready(server: Arbiter) -> None:
    # imported late: prometheus_client loads networking modules
    from service.telemetry import exposition, metrics_server
    from service.web import hosts

    allowed = settings.allowed_hosts + settings.domain
    server.chat_workers = exposition.Workers(
        metrics_directory,
        pids=lambda: list(server.WORKERS),
        # on SIGTERM, the master closes its listeners first
        accepting=lambda: bool(server.LISTENERS),
    )
    try:
        address = settings.host, settings.metrics_port
        metrics_server.serve(
            server.chat_workers,
            address,
            # a web page can lead a browser to loopback; elsewhere Prometheus may know us by any name
            lambda host: not settings.is_loopback or hosts.is_ours(host, allowed),
        )
    except OSError as error:
        print(f"METRICS_PORT {settings.metrics_port}: {error.strerror}", file=sys.stderr)
        raise SystemExit(1) from None


def post_worker_init(worker: Worker) -> None:
    worker.wsgi.extensions["drain"].watch(worker)
    if worker.age == 1:
        # once per start, before the first request
        worker.wsgi.extensions["look"]()
    worker.wsgi.extensions["access"].start()
    worker.wsgi.extensions["loop"].start()
    # loaded modules stay: a full collection that walks them all delays every stream by 0.1 s
    gc.collect()
    gc.freeze()
    # a turn creates hundreds of short-lived objects: with the default of 700, each turn would pay for collections
    gc.set_threshold(YOUNG_OBJECTS)
    WorkerMarks(metrics_directory, "ready").set(worker.pid)


def worker_exit(_server: Arbiter, worker: Worker) -> None:
    # missing if the worker could not load the app
    if app := getattr(worker, "wsgi", None):
        # the last turns' rows: any that do not reach the database in time wait on the disk
        app.extensions["access"].stop(LEDGER_SECONDS)
    WorkerMarks(metrics_directory, "left").set(worker.pid)


def child_exit(server: Arbiter, worker: Worker) -> None:
    server.chat_workers.ended(worker.pid, hung=worker.aborted)
