// An answer's figures: model, tokens, cost, and time to the first token.

import { formatCost, formatCount, formatSeconds } from "./figures.js";
import { words } from "./language.js";
import { thinkingSeconds } from "./turn.js";

export function receiptFigures(turn) {
  const { model, usage, costUsd, askedAtMs, firstTokenAtMs } = turn;
  const tokens = words().tokens(formatCount(usage.input_tokens), formatCount(usage.output_tokens));
  const estimated = usage.source === "estimated";
  const figures = [
    figure("model", model),
    figure("tokens", estimated ? `≈ ${tokens} (${words().estimated})` : tokens),
    figure("cost", (estimated && costUsd ? "≈ " : "") + formatCost(costUsd, words())),
    figure("first-token", words().firstToken(formatSeconds(firstTokenAtMs - askedAtMs))),
  ];
  // If the thoughts are shown, their heading says how long they took.
  const thought = turn.thinking.text === "" ? thinkingSeconds(turn) : 0;
  return thought > 0 ? [...figures, figure("thinking", words().thought(thought))] : figures;
}

/** The share of the total time spent waiting for the first token, as a CSS value. */
export function waitedShare({ askedAtMs, firstTokenAtMs, endedAtMs }) {
  const share = (firstTokenAtMs - askedAtMs) / Math.max(1, endedAtMs - askedAtMs);
  return `${(share * 100).toFixed(1)}%`;
}

function figure(name, text) {
  const item = document.createElement("li");
  item.dataset.figure = name;
  item.textContent = text;
  return item;
}
