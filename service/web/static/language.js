// The page's language, and how its words get into the document.

import { visits } from "./memory.js";
import { TEXTS } from "./texts.js";

const KEY = "chat.language";

let language = TEXTS[visits.recall(KEY)] ? visits.recall(KEY) : navigator.language.startsWith("ko") ? "ko" : "en";

/** The words of the current language. */
export function words() {
  return TEXTS[language];
}

export function switchLanguage() {
  language = language === "ko" ? "en" : "ko";
  visits.remember(KEY, language);
}

/** Elements name their words: data-text for content, data-label and data-placeholder for attributes. */
export function fillWords(root) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = words()[element.dataset.text];
  for (const element of root.querySelectorAll("[data-label]")) nameElement(element, words()[element.dataset.label]);
  for (const element of root.querySelectorAll("[data-placeholder]")) element.placeholder = words()[element.dataset.placeholder];
}

export function markDocument() {
  document.documentElement.lang = language;
  document.title = words().title;
}

function nameElement(element, name) {
  element.setAttribute("aria-label", name);
  if (element.localName === "button") element.title = name;
}

const HANGUL = /\p{Script=Hangul}/u;

/** Questions and answers may be in another language than the page; screen readers and line breaking need to know. */
export function nameLanguage(element, text) {
  element.lang = HANGUL.test(text) ? "ko" : "";
}
