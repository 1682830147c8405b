// Converts the Markdown of language models to HTML with markdown-it: CommonMark, tables, strikethrough and bare links.
// The result must still be sanitized (sanitize.js); raw HTML in the source stays text, and nothing in it loads.

import { webAddress } from "./links.js";
import MarkdownIt from "./vendor/markdown-it.js";

const LINK = /^(?:https?:\/\/|mailto:)/i;
// The question above an answer is a second-level heading.
const HEADINGS_BELOW = 2;

const parser = new MarkdownIt({ html: false, linkify: true, breaks: true });
parser.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
// A line of dashes is a rule even directly below text: models do not underline headings.
parser.disable("lheading");
parser.validateLink = (url) => LINK.test(url);

/** `definitions` are the link definitions of an earlier part of the same text; new ones are added to it. */
export function toHtml(source, definitions = {}) {
  return parser.render(source, { references: definitions });
}

/** Where the last block of the text begins; whatever follows, the blocks before it stay as they are. */
export function lastBlockOffset(source) {
  const starts = blocks(source).filter(({ level, nesting }) => level === 0 && nesting >= 0);
  return starts.length < 2 ? 0 : lineOffset(source, starts.at(-1).map[0]);
}

export function endsInCode(source) {
  return ["fence", "code_block"].includes(blocks(source).findLast(({ nesting }) => nesting === 0)?.type);
}

function blocks(source) {
  const tokens = [];
  parser.block.parse(source.replace(/\r\n?/g, "\n"), parser, { references: {} }, tokens);
  return tokens;
}

function lineOffset(source, line) {
  const ends = /\r\n?|\n/g;
  for (let passed = 0; passed < line; passed += 1) ends.exec(source);
  return ends.lastIndex;
}

parser.core.ruler.push("headings", ({ tokens }) => {
  for (const token of tokens) {
    if (token.type.startsWith("heading_")) token.tag = `h${Math.min(6, Number(token.tag[1]) + HEADINGS_BELOW)}`;
  }
});

// An image's address could leak the conversation, so an image becomes its text and host.
parser.renderer.rules.image = (tokens, at) => {
  const host = webAddress(tokens[at].attrGet("src"))?.host;
  const text = [tokens[at].content, host && `(${host})`].filter(Boolean).join(" ");
  return `<span class="image">${parser.utils.escapeHtml(text)}</span>`;
};

// Alignment by class: the page's policy allows no style attributes.
for (const cell of ["th_open", "td_open"]) {
  parser.renderer.rules[cell] = (tokens, at, options, env, renderer) => {
    const side = /right|center/.exec(tokens[at].attrGet("style") ?? "")?.[0];
    tokens[at].attrs = side ? [["class", `align-${side}`]] : null;
    return renderer.renderToken(tokens, at, options);
  };
}

// The one tag that models need: a line break within a table cell.
parser.inline.ruler.before("html_inline", "line_break", (state, silent) => {
  const [tag] = /^<br ?\/?>/i.exec(state.src.slice(state.pos, state.pos + 6)) ?? [];
  if (!tag) return false;
  if (!silent) state.push("hardbreak", "br", 0);
  state.pos += tag.length;
  return true;
});

// CommonMark does not close emphasis between a bracket and a letter, but Korean particles follow without a space:
// **회로 차단기(circuit breaker)**는. The rule is that of the CJK amendment proposed for CommonMark.
const CJK = /[\p{Script=Hangul}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;

parser.inline.State = class extends parser.inline.State {
  scanDelims(start, canSplitWord) {
    const run = super.scanDelims(start, canSplitWord);
    const [before, after] = [this.src[start - 1] ?? " ", this.src[start + run.length] ?? " "];
    if (canSplitWord && CJK.test(before + after) && !/\s/.test(before + after)) run.can_open = run.can_close = true;
    return run;
  }
};
