// The field for the question: Enter sends, Shift+Enter breaks the line, and it grows with its text.

export class Composer {
  #form = document.getElementById("composer");
  #field = document.getElementById("question");
  #send = document.getElementById("send");
  #stop = document.getElementById("stop");
  #running = false;

  constructor({ onSend, onStop }) {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.#running && this.#field.value.trim() !== "") onSend(this.#field.value);
    });
    this.#field.addEventListener("keydown", (event) => this.#onKey(event));
    this.#field.addEventListener("input", () => this.#onInput());
    this.#stop.addEventListener("click", onStop);
    this.#onInput();
  }

  fill(text) {
    this.#field.value = text;
    this.#onInput();
  }

  focus() {
    this.#field.focus();
  }

  /** On a touch screen, the keyboard would cover the answer, so the field gives up the focus. */
  makeRoom() {
    if (matchMedia("(pointer: coarse)").matches) this.#field.blur();
  }

  setRunning(running) {
    const focusWasOnButton = [this.#send, this.#stop].includes(document.activeElement);
    this.#running = running;
    this.#send.hidden = running;
    this.#stop.hidden = !running;
    if (focusWasOnButton) (running ? this.#stop : this.#field).focus();
  }

  #onKey(event) {
    if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
    event.preventDefault();
    this.#form.requestSubmit();
  }

  #onInput() {
    this.#send.disabled = this.#field.value.trim() === "";
    this.#field.style.height = "auto";
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }
}

/** Enter that completes a syllable belongs to the input method. Safari reveals that only by the old key code. */
export function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}
