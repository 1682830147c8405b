// The small part of Markdown that language models write, as plain data: paragraphs, headings, code fences,
// lists and rules; inline code and bold. Everything else stays the text it is. Knows nothing of the document.
//
// Blocks end where a later line begins another one, so that in a growing text all but the last are final.

const FENCE = /^\s*(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])(?:\s+(.*)|)$/;
const DEEPEST_LIST = 6;

/** @returns blocks: {kind, offset, …} with kind paragraph, heading, code, list or rule. */
export function parseBlocks(text) {
  const lines = splitLines(text);
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    if (isBlank(lines[at].text)) at += 1;
    else {
      const { next, ...block } = readBlock(lines, at);
      blocks.push({ ...block, offset: lines[at].offset });
      at = next;
    }
  }
  return blocks;
}

const OPEN_BOLD = /(?:^|[\s("'「『“‘])\*\*(?=\S)[^*]*$/;

/** Text on its way ends amid bold or code: close the mark, so that it does not flash as asterisks. */
export function closeOpenMarks(text) {
  const line = text.slice(text.lastIndexOf("\n") + 1);
  if (line.split("`").length % 2 === 0) return `${text}\``;
  if (line.endsWith("**") && line.split("**").length % 2 === 0) return text.slice(0, -2);
  const bolds = line.split("**").length - 1;
  return bolds % 2 === 1 && OPEN_BOLD.test(line) ? `${text.trimEnd()}**` : text;
}

/** @returns parts: {kind, …} with kind text, code or bold; bold has parts of its own. */
export function parseInline(text) {
  const parts = [];
  let plain = 0;
  let at = nextMark(text, 0);
  while (at >= 0) {
    const found = readCode(text, at) ?? readBold(text, at);
    if (found === null) at = nextMark(text, at + markLength(text, at));
    else {
      if (at > plain) parts.push({ kind: "text", text: text.slice(plain, at) });
      parts.push(found.part);
      plain = found.end;
      at = nextMark(text, plain);
    }
  }
  if (plain < text.length) parts.push({ kind: "text", text: text.slice(plain) });
  return parts;
}

function splitLines(text) {
  let offset = 0;
  return text.split("\n").map((line) => {
    const start = offset;
    offset += line.length + 1;
    return { text: line.replace(/\r$/, ""), offset: start };
  });
}

const isBlank = (line) => line.trim() === "";

function readBlock(lines, at) {
  const line = lines[at].text;
  const heading = HEADING.exec(line);
  if (FENCE.test(line)) return readFence(lines, at);
  if (heading) return { kind: "heading", level: heading[1].length, text: heading[2], next: at + 1 };
  if (RULE.test(line)) return { kind: "rule", next: at + 1 };
  if (ITEM.test(line)) return readList(lines, at);
  return readParagraph(lines, at);
}

/** A fence which is not closed is code to its end: it may still be on its way. */
function readFence(lines, at) {
  const [, fence, language] = FENCE.exec(lines[at].text);
  const indent = lines[at].text.search(/\S/);
  const closes = (line) => line.trim().length >= fence.length && line.trim() === fence[0].repeat(line.trim().length);
  let end = at + 1;
  while (end < lines.length && !closes(lines[end].text)) end += 1;
  const code = lines.slice(at + 1, end).map((line) => removeIndent(line.text, indent));
  return { kind: "code", language, text: code.join("\n"), next: end + 1 };
}

function removeIndent(line, indent) {
  const own = line.search(/\S|$/);
  return line.slice(Math.min(own, indent));
}

function readParagraph(lines, at) {
  let end = at + 1;
  while (end < lines.length && !interruptsParagraph(lines[end].text)) end += 1;
  return { kind: "paragraph", text: joinLines(lines, at, end), next: end };
}

// A sentence may begin a line with a year and a full stop: only "1." begins a list within a paragraph.
function interruptsParagraph(line) {
  if (isBlank(line) || FENCE.test(line) || HEADING.test(line) || RULE.test(line)) return true;
  const item = ITEM.exec(line);
  return item !== null && item[3] !== undefined && (!isOrdered(item[2]) || parseInt(item[2], 10) === 1);
}

function joinLines(lines, from, to) {
  return lines.slice(from, to).map((line) => line.text).join("\n");
}

const isOrdered = (marker) => /\d/.test(marker);

/** A list goes on over blank lines as long as items or indented lines follow. */
function readList(lines, at) {
  const list = newList(ITEM.exec(lines[at].text));
  const open = [list];
  let end = at;
  while (end < lines.length) {
    const line = lines[end].text;
    const item = RULE.test(line) ? null : ITEM.exec(line);
    if (item && startsAnotherList(list, item)) break;
    if (item) addItem(open, item);
    else if (!continuesItem(lines, end)) break;
    else if (!isBlank(line)) open.at(-1).items.at(-1).text += `\n${line.trim()}`;
    end += 1;
  }
  return { ...list, next: end };
}

function newList([, indent, marker]) {
  const ordered = isOrdered(marker);
  return { kind: "list", indent: indent.length, ordered, start: ordered ? parseInt(marker, 10) : 1, items: [] };
}

function startsAnotherList(list, [, indent, marker]) {
  return indent.length <= list.indent && isOrdered(marker) !== list.ordered;
}

function addItem(open, item) {
  const indent = item[1].length;
  while (open.length > 1 && indent < open.at(-1).indent) open.pop();
  const innermost = open.at(-1);
  if (indent > innermost.indent + 1 && innermost.items.length > 0 && open.length < DEEPEST_LIST) {
    const inner = newList(item);
    innermost.items.at(-1).lists.push(inner);
    open.push(inner);
  }
  open.at(-1).items.push({ text: item[3] ?? "", lists: [] });
}

function continuesItem(lines, at) {
  const line = lines[at].text;
  if (FENCE.test(line) || HEADING.test(line) || RULE.test(line)) return false;
  const follower = lines.slice(at, at + 8).find(({ text }) => !isBlank(text));
  if (isBlank(line)) return follower === undefined || ITEM.test(follower.text) || /^\s{2,}/.test(follower.text);
  return /^\s{2,}/.test(line) || !isBlank(lines[at - 1].text);
}

function nextMark(text, from) {
  const code = text.indexOf("`", from);
  const bold = text.indexOf("**", from);
  return code < 0 || bold < 0 ? Math.max(code, bold) : Math.min(code, bold);
}

function markLength(text, at) {
  let end = at;
  while (text[end] === text[at]) end += 1;
  return end - at;
}

function readCode(text, at) {
  if (text[at] !== "`") return null;
  const mark = "`".repeat(markLength(text, at));
  let close = text.indexOf(mark, at + mark.length);
  while (close >= 0 && markLength(text, close) !== mark.length) {
    close = text.indexOf(mark, close + markLength(text, close));
  }
  if (close < 0) return null;
  const code = text.slice(at + mark.length, close).replace(/^ (.*`.*) $/s, "$1");
  return { part: { kind: "code", text: code }, end: close + mark.length };
}

// No rule about punctuation around the marks: Korean particles follow them without a space.
function readBold(text, at) {
  const close = text.indexOf("**", at + 2);
  const inner = text.slice(at + 2, close);
  if (text[at] !== "*" || close < 0 || inner === "" || inner !== inner.trim() || inner.includes("*")) return null;
  return { part: { kind: "bold", parts: parseInline(inner) }, end: close + 2 };
}
