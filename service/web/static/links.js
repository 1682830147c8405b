// Which addresses of a model's text may become links: those of the web, named in full.

export function webAddress(text) {
  try {
    const address = new URL(text);
    return ["http:", "https:"].includes(address.protocol) ? address : null;
  } catch {
    return null; // no address, or one without a scheme
  }
}
