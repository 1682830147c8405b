// The page's composition root: the only module that knows all the others.

import { access } from "./access.js";
import { ask } from "./answers.js";
import { setUpChoices } from "./choices.js";
import { Composer, isComposing } from "./composer.js";
import { Conversation } from "./conversation.js";
import { historyLimits } from "./description.js";
import { setUpInstruction } from "./instruction.js";
import { fillWords, markDocument, nameLanguage, switchLanguage, words } from "./language.js";
import { reason } from "./problem.js";
import { Follower } from "./scroll.js";
import { begin, end, hear, newTurn } from "./turn.js";
import { TurnView } from "./turn-view.js";
import { fitViewport } from "./viewport.js";

const find = (id) => document.getElementById(id);
const READ_ALOUD_CHARS = 280;

const instruction = setUpInstruction();
const choices = setUpChoices(drawStarters);
const composer = new Composer({ onSend: send, onStop: stop });
const follower = new Follower(find("scroller"), find("turns"), find("to-latest"));
let conversation = Conversation.restored();
let views = [];
let running = null; // {controller, turn, view} of the current answer

function send(question) {
  const turn = newTurn(question);
  conversation.turns.push(turn);
  const view = addView(turn);
  composer.fill("");
  composer.makeRoom();
  answer(turn, view);
}

function addView(turn) {
  const view = new TurnView(turn, {
    ask: () => answer(turn, view),
    edit: () => edit(turn),
    enterKey: async (key) => {
      access.keep(key);
      await choices.refresh(); // the key may allow another model than the one chosen
      answer(turn, view);
    },
  });
  views.push(view);
  find("turns").append(view.element);
  return view;
}

function edit({ question }) {
  composer.fill(question);
  composer.focus();
}

async function answer(turn, view) {
  if (running) return;
  const controller = new AbortController();
  const { signal } = controller;
  running = { controller, turn, view };
  const request = { ...conversation.request(turn, instruction.text(), historyLimits()), ...choices.fields() };
  start(turn, view);
  let isStopped = true;
  for await (const event of ask(request, { sessionId: conversation.sessionId, key: access.key(), signal })) {
    take(turn, view, event);
    if (event.type === "done" || event.type === "error") isStopped = false;
  }
  if (isStopped) complete(turn, view, "stopped");
}

function start(turn, view) {
  const focusWasInTurn = view.element.contains(document.activeElement);
  begin(turn);
  view.clear();
  view.update();
  composer.setRunning(true);
  if (focusWasInTurn) find("stop").focus();
  drawConversation();
  follower.follow();
  announce(beginning(turn));
  conversation.save();
}

function take(turn, view, event) {
  const { state, thinking: { sinceMs } } = turn;
  if (event.type === "error") refuseKey(event);
  hear(turn, event);
  if (event.type === "token") view.type(event.text);
  if (event.type === "restart") view.clear();
  if (event.type === "done") return complete(turn, view, "done");
  if (event.type === "error") return complete(turn, view, "failed");
  if (event.type !== "token" || turn.state !== state) view.update();
  if (event.type === "restart") announce(words().restarted);
  if (event.type === "thinking" && sinceMs === null) announce(words().announceThinking);
}

function refuseKey(error) {
  if (error.code !== "unauthorized") return;
  error.hadKey = access.key() !== null;
  access.forget();
  choices.refresh();
}

/** Every ending passes through here. A conversation that was left is not touched. */
async function complete(turn, view, state) {
  if (state !== "done") view.flush();
  await view.settle();
  if (running?.view !== view) return;
  running = null;
  end(turn, state);
  view.showAnswer();
  view.update();
  composer.setRunning(false);
  if (turn.error?.code === "unauthorized") view.focusKey();
  announce(ending(turn));
  conversation.save();
}

function beginning({ shortened }) {
  const { announceWaiting } = words();
  return shortened ? `${words().shortened} ${announceWaiting}` : announceWaiting;
}

function ending({ state, answer: text, error, notRegenerated }) {
  if (state === "failed" || notRegenerated) return reason(error ?? notRegenerated);
  if (state === "stopped") return words().announceStopped;
  return text.length > READ_ALOUD_CHARS ? words().announceDone : text;
}

function stop() {
  if (!running) return;
  running.controller.abort();
  running.view.flush();
}

function startNewConversation() {
  stop();
  running = null;
  conversation = new Conversation();
  conversation.save();
  views = [];
  find("turns").replaceChildren();
  composer.setRunning(false);
  composer.focus();
  drawConversation();
  announce(words().announceNew);
}

function drawConversation() {
  find("welcome").hidden = views.length > 0;
  find("incomplete").hidden = !conversation.incomplete;
  find("new-conversation").disabled = views.length === 0;
}

/** One polite line for screen readers: what happens, but not every token. */
function announce(text) {
  find("announcer").textContent = text;
}

function drawStarters() {
  const isEnglishOnly = choices.isEnglishOnly();
  const texts = isEnglishOnly ? words().englishStarters : words().starters;
  find("english-only").hidden = !isEnglishOnly;
  find("starters").replaceChildren(...texts.map(starter));
}

function starter(text) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  nameLanguage(button, text);
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

function showRestored() {
  for (const turn of conversation.turns) addView(turn).showAnswer();
}

function onKey(event) {
  if (event.key !== "Escape" || isComposing(event)) return;
  if (running) stop();
  else instruction.close();
}

find("new-conversation").addEventListener("click", startNewConversation);
find("language-switch").addEventListener("click", () => {
  switchLanguage();
  speak();
});
document.addEventListener("keydown", onKey);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) running?.view.flush();
});
addEventListener("pagehide", () => conversation.save());
fitViewport();
showRestored();
speak();
drawConversation();
if (views.length > 0) follower.follow();
