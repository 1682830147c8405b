"""What a model may do to a turn, as scripts for the fakes."""

from service import errors
from service.chat.events import TICK, Chunk
from tests.unit.resilience.fakes import silence, texts, whole

DOWN = [errors.UpstreamError(cause="HTTP 503")]
CUT = [*texts("half ", "an "), errors.UpstreamError(cause="cut")]
STALLED = [*texts("half ", "an "), *silence(60)]
SILENT = silence(60)
LIMITED = [errors.UpstreamRateLimited(retry_after_seconds=2)]
LIMITED_LONG = [errors.UpstreamRateLimited(retry_after_seconds=60)]
REFUSED = [errors.UpstreamRejected(cause="HTTP 401")]
TOO_LONG = [errors.UpstreamInvalidRequest(cause="HTTP 400")]
FILTERED = [errors.ContentFiltered(cause="HTTP 400")]
FILTERED_LATER = [*texts("half "), Chunk(finish_reason="content_filter")]
OVERFLOW = [errors.ContextTooLong(cause="HTTP 400")]
NO_CREDIT = [errors.UpstreamQuotaExhausted(cause="HTTP 402")]
EMPTY = [errors.AnswerEmpty(cause="no text")]
UNCONNECTED = [errors.ConnectTimeout(cause="connect")]
UNREACHED = [errors.UpstreamUnreachable(cause="connection: ConnectionRefusedError")]
UNTRUSTED = [errors.UpstreamUntrusted(cause="certificate")]
FULL = [errors.Overloaded(cause="connection pool")]
GOOD = whole("whole ", "answer")
OTHER = whole("another ", "answer")
THINKING = [Chunk(thinking="hm "), TICK] * 80
ENDLESS_THINKING = [Chunk(thinking="hm "), TICK] * 1000
