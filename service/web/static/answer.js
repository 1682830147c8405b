// Shows a growing Markdown text in an element, by nodes only: text from a model never becomes HTML.

import { closeOpenMarks, parseBlocks, parseInline } from "./markdown.js";

export class AnswerView {
  #element;
  #settled = 0; // everything before this offset is in the document for good
  #tail = [];

  constructor(element) {
    this.#element = element;
  }

  /** `text` continues what was shown before; an empty one begins anew. */
  show(text, { growing }) {
    if (text === "") return this.#clear();
    for (const node of this.#tail) node.remove();
    this.#settle(text);
    this.#tail = this.#append(parseBlocks(text.slice(this.#settled)), growing);
  }

  // Work stays proportional to the last block: whole lines decide which blocks can change no more.
  #settle(text) {
    const wholeLines = text.slice(this.#settled, text.lastIndexOf("\n") + 1);
    const blocks = parseBlocks(wholeLines);
    if (blocks.length < 2) return;
    this.#append(blocks.slice(0, -1));
    this.#settled += blocks.at(-1).offset;
  }

  #append(blocks, growing = false) {
    const nodes = blocks.map((block) => RENDER[block.kind](block, growing));
    this.#element.append(...nodes);
    return nodes;
  }

  #clear() {
    this.#element.replaceChildren();
    this.#settled = 0;
    this.#tail = [];
  }
}

const RENDER = {
  paragraph: ({ text }, growing) => element("p", inline(text, growing)),
  heading: ({ text, level }, growing) => element(`h${Math.min(6, level + 2)}`, inline(text, growing)),
  rule: () => element("hr"),
  code: renderCode,
  list: renderList,
};

function renderCode({ language, text }) {
  const block = element("div", [element("pre", [element("code", [text])])]);
  block.className = "code";
  if (language) block.prepend(element("span", [language]));
  return block;
}

function renderList(list, growing) {
  const node = element(list.ordered ? "ol" : "ul", list.items.map((item) => renderItem(item, growing)));
  if (list.ordered && list.start !== 1) node.start = list.start;
  return node;
}

function renderItem({ text, lists }, growing) {
  return element("li", [...inline(text, growing), ...lists.map((list) => renderList(list, growing))]);
}

function inline(text, growing) {
  return parseInline(growing ? closeOpenMarks(text) : text).map(renderPart);
}

function renderPart(part) {
  if (part.kind === "code") return element("code", [part.text]);
  if (part.kind === "bold") return element("strong", part.parts.map(renderPart));
  return part.text;
}

function element(name, children = []) {
  const node = document.createElement(name);
  node.append(...children);
  return node;
}
