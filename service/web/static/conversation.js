// What was asked and answered so far. A turn is {question, answer, state, …}; state is one of
// waiting, streaming, done, stopped, failed.

export class Conversation {
  turns = [];
  sessionId = newSessionId();

  /** The body of the next request. Only whole answers, with their questions, are told to the model again. */
  request(turn, system) {
    const whole = this.turns.filter((earlier) => earlier !== turn && isWhole(earlier));
    return {
      question: turn.question,
      ...(system.trim() === "" ? {} : { system }),
      ...(whole.length === 0 ? {} : { history: whole.flatMap(messages) }),
    };
  }
}

function isWhole({ state, answer }) {
  return state === "done" && answer.trim() !== "";
}

function messages({ question, answer }) {
  return [{ role: "user", content: question }, { role: "assistant", content: answer }];
}

// crypto.randomUUID is missing where the page is not served over TLS.
function newSessionId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
