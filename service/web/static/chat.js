// The page's composition root: the only module that knows all the others.

import { ask } from "./answers.js";
import { Composer, isComposing } from "./composer.js";
import { Conversation } from "./conversation.js";
import { setUpInstruction } from "./instruction.js";
import { fillWords, markDocument, switchLanguage, words } from "./language.js";
import { Follower } from "./scroll.js";
import { reason, TurnView } from "./turn.js";
import { fitViewport } from "./viewport.js";

const find = (id) => document.getElementById(id);
const READ_ALOUD_CHARS = 280;

const instruction = setUpInstruction();
const composer = new Composer({ onSend: send, onStop: stop });
const follower = new Follower(find("scroller"), find("turns"), find("to-newest"));
let conversation = new Conversation();
let views = [];
let running = null; // {controller, view} of the answer on its way

function send(question) {
  const turn = { question, answer: "", state: "waiting" };
  const view = new TurnView(turn, { retry: () => answer(turn, view), edit: () => edit(turn) });
  conversation.turns.push(turn);
  views.push(view);
  find("turns").append(view.element);
  composer.fill("");
  composer.makeRoom();
  answer(turn, view);
}

function edit({ question }) {
  composer.fill(question);
  composer.focus();
}

async function answer(turn, view) {
  if (running) return;
  const controller = new AbortController();
  running = { controller, view };
  begin(turn, view);
  const request = conversation.request(turn, instruction.text());
  for await (const event of ask(request, { sessionId: conversation.sessionId, signal: controller.signal })) {
    hear(turn, view, event);
  }
  if (turn.endedAtMs === null) end(turn, view, "stopped");
}

function begin(turn, view) {
  const focusWasInTurn = view.element.contains(document.activeElement);
  Object.assign(turn, { answer: "", state: "waiting", restarted: false, usage: null, error: null, requestId: null });
  Object.assign(turn, { askedAtMs: performance.now(), firstTokenAtMs: null, endedAtMs: null, retryAtMs: 0, finishReason: null });
  view.clear();
  view.update();
  composer.setRunning(true);
  if (focusWasInTurn) find("stop").focus();
  drawConversation();
  follower.follow();
  announce(words().announceWaiting);
}

function hear(turn, view, event) {
  if (event.type === "start") turn.requestId = event.request_id;
  else if (event.type === "token") addText(turn, view, event.text);
  else if (event.type === "restart") beginAnew(turn, view);
  else if (event.type === "done") complete(turn, view, event);
  else if (event.type === "error") fail(turn, view, event);
}

function addText(turn, view, text) {
  turn.answer += text;
  turn.firstTokenAtMs ??= performance.now();
  view.type(text);
  if (turn.state === "waiting") setState(turn, view, "streaming");
}

function beginAnew(turn, view) {
  Object.assign(turn, { answer: "", restarted: true });
  view.clear();
  setState(turn, view, "waiting");
  announce(words().restarted);
}

function complete(turn, view, { model, usage, cost_usd: costUsd, finish_reason: finishReason }) {
  turn.firstTokenAtMs ??= performance.now();
  Object.assign(turn, { model, usage, costUsd, finishReason });
  end(turn, view, "done");
}

function fail(turn, view, error) {
  turn.error = error;
  turn.requestId = error.request_id ?? turn.requestId;
  turn.retryAtMs = performance.now() + (error.retryAfterSeconds ?? 0) * 1000;
  end(turn, view, "failed");
}

/** Every ending comes by here; a conversation that was left behind is not touched. */
async function end(turn, view, state) {
  turn.endedAtMs = performance.now();
  if (state !== "done") view.flush();
  await view.settle(state === "done");
  if (running?.view !== view) return;
  running = null;
  setState(turn, view, state);
  composer.setRunning(false);
  announce(ending(turn));
}

function ending({ state, answer: text, error }) {
  if (state === "failed") return reason(error);
  if (state === "stopped") return words().announceStopped;
  return text.length > READ_ALOUD_CHARS ? words().announceDone : text;
}

function stop() {
  if (!running) return;
  running.controller.abort();
  running.view.flush();
}

function startAnew() {
  stop();
  running = null;
  conversation = new Conversation();
  views = [];
  find("turns").replaceChildren();
  composer.setRunning(false);
  composer.focus();
  drawConversation();
  announce(words().announceNew);
}

function setState(turn, view, state) {
  turn.state = state;
  view.update();
}

function drawConversation() {
  find("welcome").hidden = views.length > 0;
  find("new-conversation").disabled = views.length === 0;
}

/** One polite line for screen readers: what happens, never each token. */
function announce(text) {
  find("announcer").textContent = text;
}

function drawStarters() {
  find("starters").replaceChildren(...words().starters.map(starter));
}

function starter(text) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  button.addEventListener("click", () => edit({ question: text }));
  item.append(button);
  return item;
}

function speak() {
  markDocument();
  fillWords(document);
  find("language-switch").textContent = words().otherLanguage;
  drawStarters();
  for (const view of views) view.update();
}

function onKey(event) {
  if (event.key !== "Escape" || isComposing(event)) return;
  if (running) stop();
  else instruction.close();
}

find("new-conversation").addEventListener("click", startAnew);
find("language-switch").addEventListener("click", () => {
  switchLanguage();
  speak();
});
document.addEventListener("keydown", onKey);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) running?.view.flush();
});
fitViewport();
speak();
drawConversation();
