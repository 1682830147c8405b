// One question and its answer as data, and what each event of the stream changes. Independent of the document.
// `state` is one of waiting, streaming, done, stopped, failed.

/** Milliseconds that keep counting across reloads. */
export const now = () => performance.timeOrigin + performance.now();

/** `shortened`: the oldest messages were left out of the request for the first time. */
export const newTurn = (question) => ({ question, shortened: false, ...unanswered() });

export const isRunning = ({ state }) => state === "waiting" || state === "streaming";

function unanswered() {
  return {
    state: "waiting",
    ...{ answer: "", restarted: false, sources: null, activity: null },
    ...{ thinking: { text: "", milliseconds: 0, sinceMs: null } },
    ...{ model: null, usage: null, costUsd: null, finishReason: null },
    ...{ error: null, notRegenerated: null, requestId: null, earlier: null },
    ...{ askedAtMs: 0, firstTokenAtMs: null, endedAtMs: null, retryAtMs: 0 },
  };
}

/** An existing answer is kept until the new one has begun. */
export function begin(turn) {
  const { earlier: _, ...shown } = turn;
  const earlier = turn.state === "done" ? structuredClone(shown) : null;
  Object.assign(turn, unanswered(), { earlier, askedAtMs: now() });
}

export function hear(turn, event) {
  if (event.type !== "thinking") stopThinking(turn);
  HEARD[event.type]?.(turn, event);
}

export function end(turn, state) {
  stopThinking(turn);
  turn.endedAtMs ??= now();
  Object.assign(turn, { state, activity: null });
  if (keepsEarlier(turn)) Object.assign(turn, turn.earlier, { notRegenerated: turn.error });
  turn.earlier = null;
}

/** A saved turn, possibly from an earlier version of the page or with an incomplete answer. */
export function restoredTurn(saved) {
  const turn = { ...unanswered(), ...saved };
  if (isRunning(turn)) {
    turn.error = { code: "cut", retryable: true };
    end(turn, "failed");
  }
  return turn;
}

const HEARD = {
  start(turn, event) {
    turn.requestId = event.request_id;
  },
  token(turn, { text }) {
    turn.answer += text;
    turn.firstTokenAtMs ??= now();
    turn.state = "streaming";
    turn.activity = null;
  },
  thinking(turn, { text = "" }) {
    turn.thinking.sinceMs ??= now();
    turn.thinking.text += text;
  },
  data(turn, { name, value }) {
    if (name === "sources") turn.sources = value;
    else if (name !== "tool_calls") turn.activity = { name, value, sinceMs: now() };
  },
  restart(turn) {
    Object.assign(turn, { answer: "", state: "waiting", restarted: true, activity: null });
  },
  done(turn, { model, usage, cost_usd: costUsd, finish_reason: finishReason }) {
    turn.endedAtMs = now();
    turn.firstTokenAtMs ??= turn.endedAtMs;
    Object.assign(turn, { model, usage, costUsd, finishReason });
  },
  error(turn, error) {
    turn.endedAtMs = now();
    turn.error = error;
    turn.requestId = error.request_id ?? turn.requestId;
    turn.retryAtMs = now() + (error.retryAfterSeconds ?? 0) * 1000;
  },
};

function stopThinking({ thinking }) {
  if (thinking.sinceMs === null) return;
  thinking.milliseconds += now() - thinking.sinceMs;
  thinking.sinceMs = null;
}

export function thinkingSeconds({ thinking: { milliseconds, sinceMs } }) {
  return Math.floor((milliseconds + (sinceMs === null ? 0 : now() - sinceMs)) / 1000);
}

// The key is asked for in place of the answer, so this error is shown.
function keepsEarlier({ earlier, answer, state, error }) {
  return earlier && answer === "" && state !== "done" && error?.code !== "unauthorized";
}
