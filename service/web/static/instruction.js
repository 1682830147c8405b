// The panel for the system instruction. Its button shows and says whether one is set.

import { fillWords } from "./language.js";
import { tab } from "./memory.js";

const KEY = "chat.instruction";

export function setUpInstruction() {
  const panel = document.getElementById("instruction-panel");
  const field = document.getElementById("instruction");
  const toggle = document.getElementById("instruction-toggle");

  function open(wanted) {
    const focusWasInside = panel.contains(document.activeElement);
    panel.hidden = !wanted;
    toggle.setAttribute("aria-expanded", String(wanted));
    if (wanted) field.focus();
    else if (focusWasInside) toggle.focus();
  }

  function mark(isSet) {
    toggle.classList.toggle("is-set", isSet);
    toggle.dataset.label = isSet ? "instructionSet" : "instruction";
    fillWords(toggle.parentElement);
  }

  toggle.addEventListener("click", () => open(panel.hidden));
  document.getElementById("instruction-close").addEventListener("click", () => open(false));
  field.addEventListener("input", () => {
    mark(field.value.trim() !== "");
    tab.remember(KEY, field.value);
  });
  field.value = tab.recall(KEY) ?? "";
  mark(field.value.trim() !== "");
  return { text: () => field.value, close: () => open(false) };
}
