"""The WSGI entry point: environment → settings → the app that gunicorn's workers serve."""

import os

from gevent import monkey

from service import libraries

if not monkey.is_module_patched("ssl"):
    raise SystemExit(
        "service.wsgi needs gunicorn's gevent worker: gunicorn -c service/gunicorn.conf.py service.wsgi:app"
    )
libraries.leave_tracers_out()

from service import settings  # noqa: E402
from service.app import REFUSALS, create_app  # noqa: E402
from service.telemetry import logs  # noqa: E402

# gunicorn's exit code for a worker that cannot boot: the master then exits instead of starting another
WORKER_BOOT_ERROR = 3

loaded = settings.load()
# models that chains create read their keys from here, including keys that came from files
os.environ |= loaded.for_packages
try:
    app = create_app(loaded)
    logs.ignored(libraries.ignored)
except REFUSALS as refusal:
    logs.cannot_start(str(refusal))
    raise SystemExit(WORKER_BOOT_ERROR) from None
