// One question and its answer on the page. `update` draws all but the answer's text from the turn's data,
// so that a change of language needs nothing else.

import { AnswerView } from "./answer.js";
import { copyText } from "./clipboard.js";
import { formatCost, formatCount, formatCountdown, formatSeconds } from "./figures.js";
import { fillWords, words } from "./language.js";
import { Typist } from "./typist.js";

const WAIT_SHOWN_AFTER_MS = 1_000;
const CLOCK_MS = 200;
const COPIED_MS = 2_000;
// Ours, not the service's: it has given us no number that its operator could look up.
const WITHOUT_REQUEST = new Set(["network"]);

export class TurnView {
  #turn;
  #parts = {};
  #answer;
  #typist;
  #clock = 0;

  constructor(turn, { retry, edit }) {
    this.#turn = turn;
    this.element = document.getElementById("turn-template").content.firstElementChild.cloneNode(true);
    for (const part of this.element.querySelectorAll("[data-part]")) this.#parts[part.dataset.part] = part;
    this.#parts.question.textContent = turn.question;
    nameLanguage(this.#parts.question, turn.question);
    this.#parts.retry.addEventListener("click", retry);
    this.#parts.edit.addEventListener("click", edit);
    this.#parts.copy.addEventListener("click", () => this.#copy());
    this.#answer = new AnswerView(this.#parts.answer);
    this.#typist = this.#newTypist();
  }

  type(text) {
    this.#typist.type(text);
  }

  clear() {
    this.#typist.clear();
  }

  flush() {
    this.#typist.flush();
  }

  /** Lets the typing effect come to its end, then draws the text as it finally is; a part of an answer stays open. */
  async settle(whole) {
    await this.#typist.finish();
    this.#answer.show(this.#turn.answer, { growing: !whole });
    this.#typist = this.#newTypist();
  }

  #newTypist() {
    return new Typist((text) => {
      nameLanguage(this.#parts.answer, text);
      this.#answer.show(text, { growing: true });
    });
  }

  update() {
    const { state } = this.#turn;
    const running = state === "waiting" || state === "streaming";
    fillWords(this.element);
    this.element.dataset.state = state;
    this.#parts.answer.setAttribute("aria-busy", String(running));
    this.#drawWaiting();
    this.#drawRemarks();
    this.#drawProblem();
    this.#drawReceipt(running);
    this.#runClock(state === "waiting" || this.#retrySeconds() > 0);
  }

  #drawWaiting() {
    const { state, askedAtMs } = this.#turn;
    const waitedMs = performance.now() - askedAtMs;
    this.#parts.waiting.hidden = state !== "waiting";
    const waited = waitedMs < WAIT_SHOWN_AFTER_MS ? "" : ` · ${words().seconds(Math.floor(waitedMs / 1000))}`;
    this.#parts.waiting.textContent = words().waiting + waited;
  }

  #drawRemarks() {
    const { state, restarted, finishReason, answer } = this.#turn;
    show(this.#parts.restarted, restarted ? words().restarted : "");
    const ended = { length: words().truncated }[finishReason] ?? (answer.trim() === "" ? words().empty : "");
    show(this.#parts.remark, state === "done" ? ended : "");
  }

  #drawProblem() {
    const { state, error, requestId } = this.#turn;
    const failed = state === "failed";
    this.#parts.problem.hidden = !failed && state !== "stopped";
    if (this.#parts.problem.hidden) return;
    this.#parts.problem.dataset.code = failed ? error.code : "stopped";
    this.#parts.reason.textContent = failed ? reason(error) : words().stopped;
    this.#parts.details.replaceChildren(...(failed ? (error.details ?? []).map(detailItem) : []));
    show(this.#parts.support, failed && requestId && !WITHOUT_REQUEST.has(error.code) ? `${words().support} ${requestId}` : "");
    this.#drawRetry(failed ? error.retryable : true);
  }

  #drawRetry(possible) {
    const seconds = this.#retrySeconds();
    this.#parts.retry.hidden = !possible;
    this.#parts.retry.disabled = seconds > 0;
    this.#parts.retry.textContent = seconds > 0 ? words().retryIn(formatCountdown(seconds, words())) : words().retry;
  }

  #retrySeconds() {
    if (this.#turn.state !== "failed") return 0;
    return Math.max(0, Math.ceil((this.#turn.retryAtMs - performance.now()) / 1000));
  }

  #drawReceipt(running) {
    const { answer, usage } = this.#turn;
    this.#parts.receipt.hidden = running || !usage;
    this.#parts.copy.hidden = answer === "";
    this.#parts.copy.textContent = words().copy;
    (usage ? this.#parts.receipt : this.#parts.actions).append(this.#parts.copy);
    this.#parts.figures.replaceChildren(...(usage ? this.#figures() : []));
    if (usage) this.#drawTimeline();
  }

  #figures() {
    const { model, usage, costUsd, askedAtMs, firstTokenAtMs } = this.#turn;
    const tokens = words().tokens(formatCount(usage.input_tokens), formatCount(usage.output_tokens));
    const estimated = usage.source === "estimated";
    return [
      figure("model", model),
      figure("tokens", estimated ? `≈ ${tokens} (${words().estimated})` : tokens),
      figure("cost", (estimated && costUsd ? "≈ " : "") + formatCost(costUsd, words())),
      figure("first-token", words().firstToken(formatSeconds(firstTokenAtMs - askedAtMs))),
    ];
  }

  /** How much of the whole time was waiting for the first token. */
  #drawTimeline() {
    const { askedAtMs, firstTokenAtMs, endedAtMs } = this.#turn;
    const share = (firstTokenAtMs - askedAtMs) / Math.max(1, endedAtMs - askedAtMs);
    this.#parts.timeline.style.setProperty("--waited", `${(share * 100).toFixed(1)}%`);
  }

  #runClock(wanted) {
    clearTimeout(this.#clock);
    if (wanted && this.element.isConnected) this.#clock = setTimeout(() => this.#tick(), CLOCK_MS);
  }

  #tick() {
    this.#drawWaiting();
    if (this.#turn.state === "failed") this.#drawRetry(this.#turn.error.retryable);
    this.#runClock(this.#turn.state === "waiting" || this.#retrySeconds() > 0);
  }

  async #copy() {
    const copied = await copyText(this.#turn.answer);
    this.#parts.copy.textContent = copied ? words().copied : words().copyFailed;
    setTimeout(() => this.#drawReceipt(false), COPIED_MS);
  }
}

const HANGUL = /\p{Script=Hangul}/u;
// The reasons which this page can cause have words in both languages; another one is shown as it came.
const LIMIT = /^may have at most (\d+) (\w+)$/;

export function reason(error) {
  const known = words().errors[error.code];
  if (known && error.code !== "unexpected") return known;
  return error.status >= 400 ? `${words().errors.unexpected} (${error.status})` : words().errors.unexpected;
}

/** Questions and answers need not be in the page's language: screen readers and line breaks have to know. */
function nameLanguage(element, text) {
  element.lang = HANGUL.test(text) ? "ko" : "";
}

function show(element, text) {
  element.textContent = text;
  element.hidden = text === "";
}

function figure(name, text) {
  const item = document.createElement("li");
  item.dataset.figure = name;
  item.textContent = text;
  return item;
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
