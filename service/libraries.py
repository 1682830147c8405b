"""Third-party code that every worker needs: imported once, before the fork, and shared.

Ours is loaded in each worker, so that a reload takes new code, and nothing that it makes crosses the fork. Neither may
what is named here begin a thread, a greenlet or a connection by being imported.
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
# prompts go to the configured LLM and nowhere else: these variables would send them elsewhere
TRACERS = ("LANGSMITH_", "LANGCHAIN_")
OFF = {"LANGSMITH_TRACING": "false"}
ignored: list[str] = []


def load() -> None:
    """In a process that is patched. No collection will write to the pages of what is loaded."""
    leave_tracers_out()
    gc.disable()
    for name in NAMES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    gc.enable()


def leave_tracers_out() -> None:
    """Before anything of LangChain's is loaded; what was set is kept in `ignored`."""
    for name, value in list(os.environ.items()):
        if name.startswith(TRACERS) and OFF.get(name) != value:
            ignored.append(name)
            del os.environ[name]
    os.environ |= OFF
