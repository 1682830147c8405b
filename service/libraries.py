"""Third-party code that every worker needs, imported once before the fork and shared.

Our own code is loaded in each worker, so that a reload picks up changes and none of its objects cross the fork. Nothing
listed here may start a thread, a greenlet or a connection on import.
"""

import gc
import importlib
import os

NAMES = (
    *("flask", "flask_cors", "gevent.ssl", "gevent.threadpool", "httpx2", "httpcore2", "jiter"),
    *("geventhttpclient.connectionpool", "geventhttpclient.response"),
    *("genai_prices.data", "genai_prices.data_units", "genai_prices.data_snapshot"),
    *("jinja2.meta", "jinja2.sandbox", "langchain.chat_models"),
    *("langchain_core.output_parsers.string", "langchain_core.prompts.chat"),
    *("langchain_core.retrievers", "langchain_core.runnables.branch"),
    *("langchain_core.runnables.fallbacks", "langchain_core.runnables.history"),
    *("langchain_core.runnables.retry", "openai.lib._parsing"),
    *("langchain_core.tracers.run_collector", "langchain_core.tracers.stdout"),
    *("langchain_openai.chat_models.base", "langgraph.checkpoint.memory", "langgraph.pregel"),
    *("openai.lib._chat_completion_resources", "openai.resources.chat", "orjson", "psycopg"),
    *("prometheus_client.multiprocess", "pybreaker", "redis", "sqlalchemy.dialects.postgresql"),
    *("sqlalchemy.dialects.sqlite", "structlog", "tenacity", "tiktoken_ext.openai_public"),
)
# prompts go to the configured LLM and nowhere else; these variables would also send them to a tracing service
TRACERS = ("LANGSMITH_", "LANGCHAIN_")
OFF = {"LANGSMITH_TRACING": "false"}
ignored: list[str] = []


def load() -> None:
    """Requires a patched process. Freezes the loaded objects, so that no garbage collection copies their pages."""
    leave_tracers_out()
    gc.disable()
    for name in NAMES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    gc.enable()


def leave_tracers_out() -> None:
    """Called before LangChain is loaded; the variables that were set are kept in `ignored`."""
    for name, value in list(os.environ.items()):
        if name.startswith(TRACERS) and OFF.get(name) != value:
            ignored.append(name)
            del os.environ[name]
    os.environ |= OFF
