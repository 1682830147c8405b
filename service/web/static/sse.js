// Parses Server-Sent Events as in the WHATWG HTML standard, from bytes that may be split anywhere.

const LINE_END = /\r\n|\r|\n/;

export class SseParser {
  #decoder = new TextDecoder(); // drops one leading BOM, as the standard requires
  #openLine = "";
  #skipLineFeed = false;
  #type = "";
  #data = [];
  #lastEventId = "";

  /** The events that these bytes complete, in order. Without its blank line, an event is incomplete. */
  push(bytes) {
    const text = this.#decoder.decode(bytes, { stream: true });
    return this.#completeLines(text)
      .map((line) => this.#readLine(line))
      .filter((event) => event !== null);
  }

  // A CR ends its line at once; if the next bytes begin with LF, it belongs to that CR.
  #completeLines(text) {
    if (text === "") return [];
    const body = this.#skipLineFeed && text[0] === "\n" ? text.slice(1) : text;
    this.#skipLineFeed = text.endsWith("\r");
    const lines = body.split(LINE_END);
    lines[0] = this.#openLine + lines[0];
    this.#openLine = lines.pop();
    return lines;
  }

  #readLine(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    this.#readField(name, value);
    return null;
  }

  // `retry` is ignored: a POST must not be repeated automatically.
  #readField(name, value) {
    if (name === "event") this.#type = value;
    else if (name === "data") this.#data.push(value);
    else if (name === "id" && !value.includes("\0")) this.#lastEventId = value;
  }

  #dispatch() {
    const data = this.#data;
    const type = this.#type || "message";
    this.#data = [];
    this.#type = "";
    return data.length === 0 ? null : { type, data: data.join("\n"), id: this.#lastEventId };
  }
}
