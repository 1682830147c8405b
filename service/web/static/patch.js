// Replaces an element's children by changing only what differs: equal nodes keep their layout, scroll position and
// selection.

/** Children before index `from` are left alone. */
export function patchChildren(element, fresh, from = 0) {
  const old = [...element.childNodes].slice(from);
  fresh.forEach((node, at) => {
    if (at >= old.length) element.append(node);
    else if (!old[at].isEqualNode(node)) patchNode(old[at], node);
  });
  for (const node of old.slice(fresh.length)) node.remove();
}

function patchNode(old, fresh) {
  if (old.nodeName !== fresh.nodeName) old.replaceWith(fresh);
  else if (old.nodeType === Node.TEXT_NODE) patchText(old, fresh.data);
  else {
    patchAttributes(old, fresh);
    patchChildren(old, [...fresh.childNodes]);
  }
}

// Appending preserves a selection that begins or ends in the text.
function patchText(node, text) {
  if (text.startsWith(node.data)) node.appendData(text.slice(node.data.length));
  else node.data = text;
}

function patchAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
}
