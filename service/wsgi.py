"""Process entry: the environment → settings → the app that gunicorn's workers serve."""

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

# gunicorn's code for a worker that cannot boot: its master ends, too, and starts no other
WORKER_BOOT_ERROR = 3

loaded = settings.load()
# a chain's own models look for their keys here, also for those that came from files
os.environ |= loaded.for_packages
try:
    app = create_app(loaded)
    logs.ignored(libraries.ignored)
except REFUSALS as refusal:
    logs.cannot_start(str(refusal))
    raise SystemExit(WORKER_BOOT_ERROR) from None
