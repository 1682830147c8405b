// The sources that a chain reports with its answer. They come from outside: text stays text, and only web addresses
// become links.

import { webAddress } from "./links.js";

const LONGEST_TEXT = 200;

/** `value` is a list of texts or of objects: {title, url, source}, or LangChain's documents with those as metadata. */
export function sourceItems(value) {
  const items = new Map();
  for (const source of Array.isArray(value) ? value : []) {
    const { text, address } = describe(source);
    if (text !== "") items.set(`${text} ${address}`, item(text, address));
  }
  return [...items.values()];
}

function describe(source) {
  if (typeof source === "string") return { text: webAddress(source)?.host ?? shorten(source), address: webAddress(source) };
  const known = { ...source?.metadata, ...source };
  const address = [known.url, known.source, known.link].map(webAddress).find(Boolean) ?? null;
  const named = [known.title, known.name, known.source, address?.host, known.page_content].find(isText) ?? "";
  return { text: shorten(webAddress(named)?.host ?? named), address };
}

const isText = (value) => typeof value === "string" && value.trim() !== "";

function shorten(text) {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > LONGEST_TEXT ? `${line.slice(0, LONGEST_TEXT)}…` : line;
}

function item(text, address) {
  const node = document.createElement("li");
  if (!address) node.textContent = text;
  else node.append(link(text, address), host(text, address));
  return node;
}

function link(text, { href }) {
  const node = document.createElement("a");
  Object.assign(node, { href, target: "_blank", rel: "noopener noreferrer", textContent: text });
  return node;
}

/** The host is shown next to a link, because its text may claim something else. */
function host(text, address) {
  if (text === address.host) return "";
  const node = document.createElement("span");
  node.textContent = ` ${address.host}`;
  return node;
}
