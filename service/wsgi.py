"""Process entry: the environment → settings → the app that gunicorn's workers serve."""

import os

from gevent import monkey

# prompts go to the configured LLM and nowhere else: these variables would send them elsewhere
for name in list(os.environ):
    if name.startswith(("LANGSMITH_", "LANGCHAIN_")):
        del os.environ[name]
os.environ["LANGSMITH_TRACING"] = "false"

if not monkey.is_module_patched("ssl"):
    raise SystemExit(
        "service.wsgi needs gunicorn's gevent worker: gunicorn -c service/gunicorn.conf.py service.wsgi:app"
    )

from service import settings  # noqa: E402
from service.app import create_app  # noqa: E402

loaded = settings.load()
# a chain's own models look for their keys here, also for those that came from files
os.environ |= loaded.for_packages
app = create_app(loaded)
