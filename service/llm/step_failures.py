"""Maps exceptions of chain steps outside model calls to our errors, in one table. They never affect a breaker."""

import re
from collections.abc import Iterator

from service.errors import (
    ChainLimitReached,
    ChatError,
    DependencyFailed,
    Internal,
    StepTimeout,
)

MOST_CAUSES = 20
# class names with their package, because the libraries need not be installed
TIMEOUTS = frozenset(
    {
        "builtins.TimeoutError", "gevent.Timeout", "concurrent.TimeoutError", "asyncio.TimeoutError",
        "httpx.TimeoutException", "httpx2.TimeoutException", "requests.Timeout", "urllib3.TimeoutError",
        "openai.APITimeoutError", "anthropic.APITimeoutError", "google.DeadlineExceeded",
        "langgraph.NodeTimeoutError", "redis.TimeoutError", "aiohttp.ServerTimeoutError",
        "pymongo.NetworkTimeout", "botocore.ReadTimeoutError", "botocore.ConnectTimeoutError",
    }
)  # fmt: skip
DEPENDENCIES = frozenset(
    {
        "builtins.ConnectionError", "socket.gaierror", "socket.herror", "urllib.URLError", "http.HTTPException",
        "httpx.TransportError", "httpx.HTTPStatusError", "httpx2.TransportError", "httpx2.HTTPStatusError",
        "requests.ConnectionError", "requests.HTTPError", "requests.RetryError", "requests.ChunkedEncodingError",
        "urllib3.HTTPError", "aiohttp.ClientError", "websockets.WebSocketException",
        "openai.APIError", "anthropic.APIError", "google.GoogleAPIError", "google.APIError", "ollama.ResponseError",
        "cohere.ApiError", "mistralai.SDKError",
        "sqlalchemy.OperationalError", "sqlalchemy.InterfaceError", "sqlalchemy.TimeoutError",
        "psycopg.OperationalError", "psycopg2.OperationalError", "sqlite3.OperationalError", "pymysql.OperationalError",
        "asyncpg.PostgresConnectionError",
        "redis.ConnectionError", "redis.BusyLoadingError", "pymongo.PyMongoError", "elastic_transport.TransportError",
        "elasticsearch.ApiError", "opensearchpy.ConnectionError", "qdrant_client.ResponseHandlingException",
        "qdrant_client.UnexpectedResponse", "weaviate.WeaviateBaseError", "pinecone.PineconeException",
        "chromadb.ChromaError", "grpc.RpcError", "botocore.ClientError", "botocore.BotoCoreError", "ssl.SSLError",
    }
)  # fmt: skip
# limits of a graph's own
LIMITS = {
    "GraphRecursionError": "the graph's recursion_limit",
    "ModelCallLimitExceededError": "the agent's ModelCallLimitMiddleware",
    "ToolCallLimitExceededError": "the agent's ToolCallLimitMiddleware",
}
ASYNCIO = re.compile(
    r"event loop|No synchronous function|sync invocation|coroutine function synchronously|"
    r"sync context async tasks|Synchronous implementation of"
)
# of dispatch_custom_event where it finds no chain
NO_RUN = "without a parent run id"
COPY_CONTEXT = "an event from a Thread or greenlet of the chain's own: start it with contextvars.copy_context().run"
ON_ASYNCIO = "async code in a sync chain: wrap the coroutine function, or the tool, in on_asyncio()"


def of_step(error: BaseException) -> ChatError:
    """Never raises. The error's own text is dropped; a bug keeps its trace as the cause."""
    if isinstance(error, ChatError):
        return error
    if limit := LIMITS.get(type(error).__name__):
        return _caused(ChainLimitReached(cause=limit), error)
    names = {name for link in _causes(error) for name in kinds_of(link)}
    cause = f"{type(error).__module__}.{type(error).__qualname__}"
    if names & TIMEOUTS:
        return _caused(StepTimeout(cause=cause), error)
    if names & DEPENDENCIES:
        return _caused(DependencyFailed(cause=cause), error)
    return _caused(Internal(cause=f"{cause}{_hint(error)}"), error)


def _hint(error: BaseException) -> str:
    """What to change, for errors of libraries that do not say so."""
    if type(error).__name__ == "NoTurn":
        return f": {error}"
    if NO_RUN in str(error):
        return f": {COPY_CONTEXT}"
    return f": {ON_ASYNCIO}" if ASYNCIO.search(str(error)) else ""


def _caused(failure: ChatError, error: BaseException) -> ChatError:
    failure.__cause__ = error
    return failure


def _causes(error: BaseException) -> list[BaseException]:
    """The error, its causes, and the members of a group."""
    found: list[BaseException] = []
    left = [error]
    while left and len(found) < MOST_CAUSES:
        link = left.pop()
        found.append(link)
        left += [link.__cause__] if link.__cause__ is not None else []
        left += link.exceptions if isinstance(link, BaseExceptionGroup) else []
    return found


def kinds_of(error: BaseException) -> Iterator[str]:
    """The names of the class and its bases, each with its top-level package."""
    for kind in type(error).__mro__:
        yield f"{kind.__module__.partition('.')[0].lstrip('_')}.{kind.__name__}"
