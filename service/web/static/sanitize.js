// The last step before HTML from a model's text enters the document: one fixed allow-list.

import DOMPurify from "./vendor/purify.js";

const ALLOWED = {
  ALLOWED_TAGS: [
    ...["p", "br", "hr", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "pre", "code"],
    ...["strong", "em", "s", "a", "span", "table", "thead", "tbody", "tr", "th", "td"],
  ],
  ALLOWED_ATTR: ["href", "class", "start"],
  ALLOWED_URI_REGEXP: /^(?:https?:\/\/|mailto:)/i,
  ADD_URI_SAFE_ATTR: ["start"],
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  RETURN_TRUSTED_TYPE: true,
};
const CLASSES = /^(?:image|align-(?:right|center)|language-\S+)$/;

DOMPurify.addHook("uponSanitizeAttribute", (_, attribute) => {
  if (attribute.attrName === "class" && !CLASSES.test(attribute.attrValue)) attribute.keepAttr = false;
});
DOMPurify.addHook("afterSanitizeAttributes", (element) => {
  if (element.localName !== "a") return;
  element.setAttribute("target", "_blank");
  element.setAttribute("rel", "noopener noreferrer");
});

const inert = document.implementation.createHTMLDocument("");

/** The HTML as nodes, in the body of a document that loads and runs nothing. */
export function sanitized(html) {
  inert.body.innerHTML = DOMPurify.sanitize(html, ALLOWED);
  return inert.body;
}
