// The questions and answers so far. They survive a reload as far as the browser has room.

import { tab } from "./memory.js";
import { restoredTurn } from "./turn.js";

const KEY = "chat.conversation";
/** For what else is in a request: the names of the model and the chain. */
const OTHER_BYTES = 1024;

export class Conversation {
  turns = [];
  sessionId = newSessionId();
  /** The browser had no room for some of the oldest turns. */
  incomplete = false;

  static restored() {
    const conversation = new Conversation();
    return Object.assign(conversation, parse(tab.recall(KEY)));
  }

  /** The body of the next request. Its history has only complete answers with their questions, the latest that fit. */
  request(turn, system, limits) {
    const others = this.turns.filter((earlier) => earlier !== turn);
    const whole = others.filter(isWhole);
    const body = { question: turn.question, ...(system.trim() === "" ? {} : { system }) };
    const sent = latest(whole, limits, bytesOf(body) + OTHER_BYTES);
    // said only once, and not where no history is ever sent
    const isLoss = limits.messages > 1 && sent.length < whole.length;
    turn.shortened = isLoss && !others.some(({ shortened }) => shortened);
    return { ...body, ...(sent.length === 0 ? {} : { history: sent.flatMap(messages) }) };
  }

  /** Leaves out the oldest turns if there is no room for all of them. */
  save() {
    const turns = this.turns.map((turn) => JSON.stringify(turn));
    let { incomplete } = this;
    while (!tab.remember(KEY, this.#written(turns, incomplete)) && turns.length > 0) {
      turns.splice(0, Math.ceil(turns.length / 4));
      incomplete = true;
    }
  }

  #written(turns, incomplete) {
    const rest = JSON.stringify({ sessionId: this.sessionId, incomplete });
    return `{"turns":[${turns.join()}],${rest.slice(1)}`;
  }
}

function parse(text) {
  try {
    const { turns, sessionId, incomplete } = JSON.parse(text);
    return { turns: turns.map(restoredTurn), sessionId, incomplete };
  } catch {
    return {}; // nothing was saved
  }
}

function isWhole({ state, answer }) {
  return state === "done" && answer.trim() !== "";
}

function latest(turns, limits, bytesOfTheRest) {
  let chars = 0;
  let bytes = bytesOfTheRest;
  const isTooMuch = (turn, at) => {
    chars += turn.question.length + turn.answer.length;
    bytes += bytesOf(messages(turn));
    return chars > limits.chars || bytes > limits.bytes || 2 * (turns.length - at) > limits.messages;
  };
  return turns.slice(turns.findLastIndex(isTooMuch) + 1);
}

const bytesOf = (value) => new TextEncoder().encode(JSON.stringify(value)).length;

function messages({ question, answer }) {
  return [{ role: "user", content: question }, { role: "assistant", content: answer }];
}

// crypto.randomUUID is missing if the page is not served over TLS.
function newSessionId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
