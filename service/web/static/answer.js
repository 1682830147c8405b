// Shows a growing Markdown text in an element. Each frame renders only the last block of the text, not all of it.

import { words } from "./language.js";
import { lastBlockOffset, toHtml } from "./markdown.js";
import { patchChildren } from "./patch.js";
import { sanitized } from "./sanitize.js";
import { readable } from "./unfinished.js";

const BLOCKS = new Set(["ul", "ol", "li", "blockquote", "p", "div"]);

export class AnswerView {
  #element;
  #settledText = 0; // the text before this offset ...
  #settledNodes = 0; // ... is shown by this many nodes, and no longer changes
  #definitions = {};

  constructor(element) {
    this.#element = element;
  }

  /** `text` continues what was shown before; an empty one starts over. */
  grow(text) {
    if (text === "") this.#element.replaceChildren();
    if (text === "") return this.#begin();
    this.#draw(text, (tail) => {
      const nodes = render(readable(tail), { ...this.#definitions });
      markEnd(nodes);
      return nodes;
    });
  }

  /** The final text. One that was cut may end in incomplete Markdown. */
  finish(text, { cut }) {
    this.#draw(text, (tail) => render(cut ? readable(tail) : tail, this.#definitions));
    // A link's definition may come after its use: only now are all of them known.
    if (Object.keys(this.#definitions).length > 0) patchChildren(this.#element, render(text));
    this.#begin();
  }

  #draw(text, renderTail) {
    const settling = this.#settle(text);
    const tail = renderTail(text.slice(this.#settledText));
    patchChildren(this.#element, [...settling, ...tail], this.#settledNodes);
    this.#settledNodes += settling.length;
  }

  // Only complete lines decide: an incomplete one may still continue the block before it.
  #settle(text) {
    const whole = text.slice(this.#settledText, text.lastIndexOf("\n") + 1);
    const length = lastBlockOffset(whole);
    this.#settledText += length;
    return length === 0 ? [] : render(whole.slice(0, length), this.#definitions);
  }

  #begin() {
    this.#settledText = 0;
    this.#settledNodes = 0;
    this.#definitions = {};
  }
}

function render(source, definitions) {
  const body = sanitized(toHtml(source, definitions));
  body.querySelectorAll("pre").forEach(frameCode);
  body.querySelectorAll("table").forEach(frameTable);
  return [...body.childNodes].filter((node) => node.nodeType === Node.ELEMENT_NODE || node.data.trim() !== "");
}

function frameCode(pre) {
  const [, language = ""] = /^language-(.*)/.exec(pre.firstElementChild?.className ?? "") ?? [];
  const head = element("div", "code-head", element("span", "", language), copyButton());
  const block = element("div", "code", head);
  pre.replaceWith(block);
  pre.tabIndex = 0; // a scrollable box must be scrollable by keyboard
  block.append(pre);
}

function copyButton() {
  const button = element("button", "copy-code");
  button.type = "button";
  button.dataset.text = "copy";
  button.textContent = words().copy;
  return button;
}

function frameTable(table) {
  const frame = element("div", "table");
  frame.tabIndex = 0;
  table.replaceWith(frame);
  frame.append(table);
}

/** Marks where the next word will appear. */
function markEnd(nodes) {
  let last = nodes.at(-1);
  while (isBlock(last?.lastElementChild)) last = last.lastElementChild;
  last?.classList?.add("growing");
}

const isBlock = (node) => BLOCKS.has(node?.localName) && node.className !== "code-head";

function element(name, className, ...children) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...children);
  return node;
}
