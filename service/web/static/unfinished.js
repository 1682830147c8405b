// Tidies the end of a text that is still growing. An incomplete link, table or mark is held back or closed, so that it
// does not flash as raw Markdown.

import { endsInCode } from "./markdown.js";

const ONLY_MARKUP = /^(?:[-=*+_#>`~|: \t]+|[ \t]*\d{1,9}[.)])$/;
const OPEN_LINK = /!?\[([^[\]]*)(?:\](?:\([^()\s]*)?)?$/;
const MARKS_AT_END = /(?<![*_`~])[*_`~]+$/;
const OPEN_BOLD = /(?:^|[\s("'「『“‘])\*\*(?=\S)[^*]*$/;

export function readable(text) {
  if (endsInCode(text)) return text;
  const lines = text.split("\n");
  if (ONLY_MARKUP.test(lines.at(-1)) || lines.at(-1) === "") lines.pop();
  // A table's head needs the line below it.
  if (lines.at(-1)?.startsWith("|") && !lines.at(-2)?.startsWith("|")) lines.pop();
  const last = lines.pop() ?? "";
  return [...lines, closeMarks(last.replace(OPEN_LINK, "$1"))].join("\n");
}

function closeMarks(line) {
  const text = line.replace(MARKS_AT_END, "");
  if (text.split("`").length % 2 === 0) return `${text}\``;
  return text.split("**").length % 2 === 0 && OPEN_BOLD.test(text) ? `${text.trimEnd()}**` : text;
}
