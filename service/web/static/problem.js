// Says what went wrong, and offers what to do next: retry, change the question, or enter an API key.

import { formatCount, formatCountdown } from "./figures.js";
import { words } from "./language.js";
import { now } from "./turn.js";

// These have no request ID that the operator could look up.
const WITHOUT_REQUEST = new Set(["network", "unauthorized"]);
const KEY_PROBLEMS = new Set(["unauthorized", "forbidden"]);
// Reasons that this page can cause have words in both languages; any other is shown as received.
const LIMIT = /^may have at most (\d+) (\w+)$/;

export class ProblemView {
  #parts;

  constructor(parts, { ask, edit, enterKey }) {
    this.#parts = parts;
    parts.retry.addEventListener("click", ask);
    parts.edit.addEventListener("click", edit);
    parts.keyForm.addEventListener("submit", (event) => {
      event.preventDefault();
      const key = parts.key.value.trim();
      parts.key.value = "";
      if (key !== "") enterKey(key);
    });
  }

  draw(turn) {
    const { state, error, requestId } = turn;
    const failed = state === "failed";
    this.#parts.problem.hidden = !failed && state !== "stopped";
    this.#parts.keyForm.hidden = !failed || !KEY_PROBLEMS.has(error.code);
    if (this.#parts.problem.hidden) return;
    this.#parts.problem.dataset.code = failed ? error.code : "stopped";
    this.#parts.reason.textContent = failed ? reason(error) : words().stopped;
    this.#parts.details.replaceChildren(...(failed ? (error.details ?? []).map(detailItem) : []));
    const known = failed && requestId && !WITHOUT_REQUEST.has(error.code);
    this.#parts.support.hidden = !known;
    this.#parts.support.textContent = known ? `${words().support} ${requestId}` : "";
    this.drawRetry(turn);
  }

  drawRetry(turn) {
    const seconds = secondsToRetry(turn);
    const { retry } = this.#parts;
    retry.hidden = turn.state === "failed" && !turn.error.retryable;
    retry.disabled = seconds > 0;
    retry.textContent = seconds > 0 ? words().retryIn(formatCountdown(seconds, words())) : words().retry;
  }

  isCounting(turn) {
    return secondsToRetry(turn) > 0;
  }
}

export function reason(error) {
  if (error.code === "unauthorized" && error.hadKey) return words().keyRefused;
  const known = words().errors[error.code];
  if (known && error.code !== "unexpected") return known;
  return error.status >= 400 ? `${words().errors.unexpected} (${error.status})` : words().errors.unexpected;
}

function secondsToRetry({ state, retryAtMs }) {
  return state === "failed" ? Math.max(0, Math.ceil((retryAtMs - now()) / 1000)) : 0;
}

function detailItem({ field, reason: why }) {
  const item = document.createElement("li");
  item.textContent = [words().fields[field] ?? field, explain(String(why))].filter(Boolean).join(": ");
  return item;
}

function explain(why) {
  const limit = LIMIT.exec(why);
  if (limit) return words().atMost(formatCount(limit[1]), limit[2]);
  return why === "may not be set here" ? words().notAllowed : why;
}
