// Shows what happens while no text arrives: waiting, thinking, and the steps that a chain reports.

import { thinkingSeconds, isRunning, now } from "./turn.js";
import { words } from "./language.js";

const SHOWN_AFTER_SECONDS = 1;
const LONGEST_TEXT = 160;

export class ActivityView {
  #line;
  #thinking;
  #summary;
  #thoughts;

  constructor({ activity, thinking, thinkingSummary, thoughts }) {
    this.#line = activity;
    this.#thinking = thinking;
    this.#summary = thinkingSummary;
    this.#thoughts = thoughts;
  }

  draw(turn) {
    const text = isRunning(turn) ? currentActivity(turn) : "";
    this.#line.hidden = text === "";
    this.#line.textContent = text;
    this.#drawThinking(turn);
  }

  #drawThinking(turn) {
    const { text, sinceMs } = turn.thinking;
    this.#thinking.hidden = text === "";
    if (text === "") return;
    this.#summary.textContent = sinceMs === null ? words().thought(thinkingSeconds(turn)) : words().thoughts;
    if (this.#thoughts.textContent !== text) this.#thoughts.textContent = text;
  }
}

function currentActivity({ state, activity, thinking, askedAtMs, ...turn }) {
  if (activity) return withSeconds(describe(activity), activity.sinceMs);
  if (thinking.sinceMs !== null) return words().thinking(thinkingSeconds({ thinking, ...turn }));
  return state === "waiting" ? withSeconds(words().waiting, askedAtMs) : "";
}

function withSeconds(text, sinceMs) {
  const seconds = Math.floor((now() - sinceMs) / 1000);
  return seconds < SHOWN_AFTER_SECONDS ? text : `${text} · ${words().seconds(seconds)}`;
}

/** An event named `tool` has a known form; of any other, the page only knows the name. */
function describe({ name, value }) {
  const toolState = name === "tool" && words().toolStates[value?.state];
  if (toolState) return toolState(shorten(value.tool));
  return shorten(typeof value === "string" && value.trim() !== "" ? value : name);
}

function shorten(text) {
  const line = String(text).replace(/\s+/g, " ").trim();
  return line.length > LONGEST_TEXT ? `${line.slice(0, LONGEST_TEXT)}…` : line;
}
