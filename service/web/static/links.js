// Which addresses in a model's text may become links: complete web addresses.

export function webAddress(text) {
  try {
    const address = new URL(text);
    return ["http:", "https:"].includes(address.protocol) ? address : null;
  } catch {
    return null; // not an address, or without a scheme
  }
}
