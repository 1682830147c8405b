// Asks the service one question and yields events, however it ends:
// start, token, thinking, data, restart, then either done or error. If its signal aborts it, it just ends.

import { watchLine } from "./line.js";
import { SseParser } from "./sse.js";

const HEADERS = { "Content-Type": "application/json", Accept: "text/event-stream" };
const DRAIN_LIMIT_MS = 2_000;

const CODE_BY_STATUS = {
  400: "invalid_request", 404: "not_found", 405: "method_not_allowed", 408: "request_timeout",
  413: "payload_too_large", 414: "uri_too_long", 415: "unsupported_media_type", 421: "misdirected_request",
  429: "rate_limited", 431: "headers_too_large", 500: "internal", 502: "unavailable", 503: "unavailable", 504: "unavailable",
};
const RETRYABLE = new Set(["rate_limited", "unavailable", "request_timeout", "unexpected"]);

export async function* ask(body, { sessionId, key, signal }) {
  const line = watchLine(signal);
  try {
    const response = await post(body, { sessionId, key, signal: line.signal });
    line.heard();
    if (!isEventStream(response)) yield await readProblem(response);
    else yield* readEvents(response, line);
  } catch {
    if (!signal.aborted) yield clientError("network");
  } finally {
    line.leave();
  }
}

function post(body, { sessionId, key, signal }) {
  const authorization = key ? { Authorization: `Bearer ${key}` } : {};
  return fetch("chat/stream", {
    method: "POST",
    headers: { ...HEADERS, "X-Session-ID": sessionId, ...authorization },
    body: JSON.stringify(body),
    cache: "no-store",
    signal,
  });
}

function isEventStream(response) {
  return response.ok && (response.headers.get("Content-Type") ?? "").startsWith("text/event-stream");
}

async function* readEvents(response, line) {
  const requestId = response.headers.get("X-Request-ID");
  const reader = response.body.getReader();
  const parser = new SseParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      line.heard();
      for (const event of parser.push(value)) {
        const said = { ...JSON.parse(event.data), type: event.type };
        yield said;
        if (said.type === "done" || said.type === "error") return drain(reader, line);
      }
    }
  } catch {
    if (line.stopped()) return;
  }
  yield clientError("cut", { request_id: requestId });
}

// Unread bytes would cost the connection; the rest is one short frame.
function drain(reader, line) {
  line.leave();
  const timer = setTimeout(() => reader.cancel().catch(() => {}), DRAIN_LIMIT_MS);
  const next = () => reader.read().then(({ done }) => (done ? undefined : next()));
  next().catch(() => {}).finally(() => clearTimeout(timer));
}

/** An error response as an event: the service's own JSON, or whatever a proxy sent in its place. */
async function readProblem(response) {
  const known = await readErrorObject(response);
  const code = known?.code ?? CODE_BY_STATUS[response.status] ?? "unexpected";
  return {
    type: "error",
    code,
    status: response.status,
    retryable: known?.retryable ?? RETRYABLE.has(code),
    request_id: known?.request_id ?? response.headers.get("X-Request-ID"),
    details: Array.isArray(known?.details) ? known.details : [],
    retryAfterSeconds: readRetryAfter(response.headers.get("Retry-After")),
  };
}

async function readErrorObject(response) {
  try {
    const { error } = await response.json();
    return typeof error?.code === "string" ? error : null;
  } catch {
    return null; // HTML from a proxy, an empty body, a body that was cut
  }
}

function readRetryAfter(value) {
  if (!value) return 0;
  const seconds = /^\d+$/.test(value.trim()) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : 0;
}

function clientError(code, more = {}) {
  return { type: "error", code, retryable: true, ...more };
}
