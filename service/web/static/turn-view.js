// One question and its answer on the page. `update` draws everything but the answer's text from the turn's data,
// which is all that a change of language needs.

import { ActivityView } from "./activity.js";
import { AnswerView } from "./answer.js";
import { copyText } from "./clipboard.js";
import { fillWords, nameLanguage, words } from "./language.js";
import { ProblemView, reason } from "./problem.js";
import { receiptFigures, waitedShare } from "./receipt.js";
import { sourceItems } from "./sources.js";
import { isRunning } from "./turn.js";
import { Typist } from "./typist.js";

const CLOCK_MS = 200;
const COPIED_MS = 2_000;

export class TurnView {
  #turn;
  #parts = {};
  #answer;
  #typist;
  #activity;
  #problem;
  #clock = 0;

  /** `ask` asks the question again, `edit` puts it back into the field, `enterKey` takes an API key. */
  constructor(turn, { ask, edit, enterKey }) {
    this.#turn = turn;
    this.element = document.getElementById("turn-template").content.firstElementChild.cloneNode(true);
    for (const part of this.element.querySelectorAll("[data-part]")) this.#parts[part.dataset.part] = part;
    this.#parts.question.textContent = turn.question;
    nameLanguage(this.#parts.question, turn.question);
    this.#parts.regenerate.addEventListener("click", ask);
    this.element.addEventListener("click", ({ target }) => this.#copy(target.closest(".copy, .copy-code")));
    this.#activity = new ActivityView(this.#parts);
    this.#problem = new ProblemView(this.#parts, { ask, edit, enterKey });
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

  /** Lets the typing effect finish. */
  async settle() {
    await this.#typist.finish();
    this.#typist = this.#newTypist();
  }

  /** Shows the answer at once, without the typing effect. */
  showAnswer() {
    nameLanguage(this.#parts.answer, this.#turn.answer);
    this.#answer.finish(this.#turn.answer, { cut: this.#turn.state !== "done" });
  }

  #newTypist() {
    return new Typist((text) => {
      nameLanguage(this.#parts.answer, text);
      this.#answer.grow(text);
    });
  }

  focusKey() {
    this.#parts.key.focus();
  }

  update() {
    fillWords(this.element);
    this.element.dataset.state = this.#turn.state;
    this.#parts.answer.setAttribute("aria-busy", String(isRunning(this.#turn)));
    this.#activity.draw(this.#turn);
    this.#problem.draw(this.#turn);
    this.#drawRemarks();
    this.#drawSources();
    this.#drawReceipt();
    this.#runClock();
  }

  #drawRemarks() {
    const { shortened, restarted, notRegenerated } = this.#turn;
    show(this.#parts.shortened, shortened ? words().shortened : "");
    show(this.#parts.restarted, restarted ? words().restarted : "");
    show(this.#parts.remark, this.#ending());
    show(this.#parts.kept, notRegenerated ? `${words().notRegenerated} ${reason(notRegenerated)}` : "");
  }

  #ending() {
    const { state, finishReason, answer } = this.#turn;
    if (state !== "done") return "";
    if (finishReason === "length") return words().truncated;
    if (answer.trim() !== "") return "";
    return finishReason === "tool_calls" ? words().toolCalls : words().empty;
  }

  #drawSources() {
    const items = sourceItems(this.#turn.sources);
    this.#parts.sources.hidden = items.length === 0;
    this.#parts.sourceList.replaceChildren(...items);
  }

  #drawReceipt() {
    const { usage, answer } = this.#turn;
    const running = isRunning(this.#turn);
    this.#parts.receipt.hidden = running || !usage;
    for (const button of this.element.querySelectorAll(".copy")) button.hidden = running || answer === "";
    if (!usage) return;
    this.#parts.figures.replaceChildren(...receiptFigures(this.#turn));
    this.#parts.timeline.style.setProperty("--waited", waitedShare(this.#turn));
  }

  #runClock() {
    clearTimeout(this.#clock);
    const wanted = isRunning(this.#turn) || this.#problem.isCounting(this.#turn);
    if (wanted && this.element.isConnected) this.#clock = setTimeout(() => this.#tick(), CLOCK_MS);
  }

  #tick() {
    this.#activity.draw(this.#turn);
    this.#problem.drawRetry(this.#turn);
    this.#runClock();
  }

  async #copy(button) {
    if (!button) return;
    const code = button.closest(".code")?.querySelector("code");
    const copied = await copyText(code ? code.textContent.replace(/\n$/, "") : this.#turn.answer);
    button.textContent = copied ? words().copied : words().copyFailed;
    setTimeout(() => (button.textContent = words().copy), COPIED_MS);
  }
}

function show(element, text) {
  element.textContent = text;
  element.hidden = text === "";
}
