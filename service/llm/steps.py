"""The service's tools for chains, to be imported in service/llm/chain.py."""

import asyncio
import contextvars
import functools
import inspect
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from gevent.threadpool import ThreadPool
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool, StructuredTool

from service.errors import DependencyFailed
from service.llm.accounted import AccountedEmbeddings
from service.llm.guarded import guarded_copy
from service.llm.sdk_clients import without_retries

__all__ = ["DependencyFailed", "accounted", "guarded", "off_loop", "on_asyncio"]

P = ParamSpec("P")
R = TypeVar("R")
THREADS = 4
# Python's default is ten times as long, and after each system call the loop would wait that long for a busy thread
SWITCH_SECONDS = 0.0005
# the first callers may come together, and a thread can run only one loop
_STARTING = threading.Lock()


def guarded(model: BaseChatModel) -> Any:
    """The same model under the service's guard: deadlines, retries, circuit breaker, fallback and billing."""
    copy = guarded_copy(model, is_configured=False)
    without_retries(copy)
    return copy


def accounted(embeddings: Embeddings, *, model: str | None = None) -> Any:
    """The same embeddings, their tokens counted (cl100k-like estimates) and billed under the model's name."""
    return AccountedEmbeddings(embeddings, model)


def off_loop(function: Callable[P, R]) -> Callable[P, R]:
    """Runs the function in a real thread, so that its computation delays no stream. It must not use sockets."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        context = contextvars.copy_context()
        call = functools.partial(_caught, functools.partial(function, *args, **kwargs))
        result, error = _threads().apply(context.run, (call,))
        if error is not None:
            raise error
        returned: R = result
        return returned

    return run


def _caught(function: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """Without this, the pool would print the error, which may quote a question."""
    try:
        return function(), None
    except BaseException as error:  # noqa: BLE001 - it is raised where the function was called
        return None, error


def on_asyncio(function: Any) -> Any:
    """Makes a coroutine function, or a tool that has only one, callable in sync code, on one event loop per worker."""
    if isinstance(function, BaseTool):
        return _sync_tool(function)
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"{function!r} is neither a coroutine function nor a tool")

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        return _run_coroutine(function(*args, **kwargs))

    return run


def _sync_tool(tool: BaseTool) -> BaseTool:
    coroutine = getattr(tool, "coroutine", None)
    if not isinstance(tool, StructuredTool) or coroutine is None:
        raise TypeError(f"the tool {tool.name} has no coroutine")
    return tool.model_copy(update={"func": on_asyncio(coroutine)})


def _run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    with _STARTING:
        loop = _loop()
    context = contextvars.copy_context()
    ended = threading.Event()
    tasks: list[asyncio.Task[Any]] = []

    def begin() -> None:
        task = loop.create_task(coroutine, context=context)
        tasks.append(task)
        task.add_done_callback(lambda _: ended.set())

    def cancel() -> None:
        tasks[0].cancel()

    loop.call_soon_threadsafe(begin)
    try:
        ended.wait()
    except BaseException:
        # after begin(), if that is still to come
        loop.call_soon_threadsafe(cancel)
        raise
    return tasks[0].result()


@functools.cache
def _threads() -> ThreadPool:
    """Real threads, created in the worker that uses them."""
    sys.setswitchinterval(SWITCH_SECONDS)
    return ThreadPool(THREADS)


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    """Runs in a separate greenlet; the patched selectors let the others run."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="asyncio", daemon=True).start()
    return loop
