// The typing effect: shows a growing text word by word, and faster the further it is behind.

const SLOWEST_CHARS_PER_SECOND = 140;
const CATCH_UP_SECONDS = 0.35;
// The text may end in half a word, which is shown only after nothing has followed for this long.
const HALF_WORD_PATIENCE_MS = 150;
// At most this share of a slow device's time goes into drawing text, however long the last block is.
const BUSIEST_SHARE = 0.4;
// Chinese, Japanese and long addresses have no spaces, so a "word" has a longest length.
const WORD = /\s*\S{1,24}/uy;

const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Typist {
  #show;
  #text = "";
  #shown = 0;
  #allowance = 0;
  #frame = 0;
  #lastFrameMs = 0;
  #restUntilMs = 0;
  #lastTextMs = 0;
  #allShown = null;

  constructor(show) {
    this.#show = show;
  }

  type(text) {
    this.#text += text;
    this.#lastTextMs = performance.now();
    if (document.hidden) this.flush();
    else this.#wake();
  }

  /** Discards everything. */
  clear() {
    this.#text = "";
    this.#shown = 0;
    this.#show("");
  }

  /** Shows everything at once. */
  flush() {
    this.#reveal(this.#text.length);
    this.#allShown?.();
  }

  /** Resolves when the last word is shown; nothing more may be typed. */
  finish() {
    return new Promise((resolve) => {
      this.#allShown = resolve;
      if (document.hidden || this.#shown === this.#text.length) this.flush();
      else this.#wake();
    });
  }

  #wake(lastFrameMs = performance.now()) {
    if (this.#frame !== 0) return;
    this.#lastFrameMs = lastFrameMs;
    this.#frame = requestAnimationFrame(() => this.#step());
  }

  #step() {
    this.#frame = 0;
    const now = performance.now();
    if (now < this.#restUntilMs) return this.#wake(this.#lastFrameMs);
    const backlog = this.#text.length - this.#shown;
    const speed = Math.max(SLOWEST_CHARS_PER_SECOND, backlog / CATCH_UP_SECONDS);
    this.#allowance = Math.min(backlog, this.#allowance + (speed * (now - this.#lastFrameMs)) / 1000);
    this.#lastFrameMs = now;
    this.#reveal(still.matches ? this.#text.length : this.#furthestWordEnd(now));
    if (this.#shown < this.#text.length) this.#frame = requestAnimationFrame(() => this.#step());
    else this.#allShown?.();
  }

  #furthestWordEnd(now) {
    const open = this.#allShown === null && now - this.#lastTextMs < HALF_WORD_PATIENCE_MS;
    let end = this.#shown;
    for (;;) {
      WORD.lastIndex = end;
      const next = WORD.test(this.#text) ? WORD.lastIndex : this.#text.length;
      if (next - this.#shown > this.#allowance) return end;
      if (next === this.#text.length) return open ? end : next;
      end = next;
    }
  }

  #reveal(end) {
    if (end <= this.#shown) return;
    this.#allowance = Math.max(0, this.#allowance - (end - this.#shown));
    this.#shown = end;
    const began = performance.now();
    this.#show(this.#text.slice(0, end));
    const ended = performance.now();
    this.#restUntilMs = ended + (ended - began) / BUSIEST_SHARE - (ended - began);
  }
}
