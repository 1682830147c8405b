// The lists of models and chains, where there is a choice. They come from the API's description, which needs no key.

import { visits } from "./memory.js";

const FIELDS = ["model", "chain"];
// the model that make run starts where there is no key
const ENGLISH_ONLY = "smollm2-135m-instruct";

/** `fields` is what the lists add to a request; `onChange` is called once they are known, and at each choice. */
export function setUpChoices(onChange) {
  const lists = FIELDS.map((field) => document.getElementById(`${field}-list`));
  describeRequest().then((properties) => {
    FIELDS.forEach((field, at) => fill(lists[at], field, optionsOf(properties[field])));
    document.getElementById("choices").hidden = lists.every((list) => list.parentElement.hidden);
    onChange();
  });
  for (const list of lists) list.addEventListener("change", onChange);
  return {
    fields: () => Object.fromEntries(lists.filter(isChosen).map(({ name, value }) => [name, value])),
    isEnglishOnly: () => lists[0].value === ENGLISH_ONLY,
  };
}

async function describeRequest() {
  try {
    const response = await fetch("openapi.json");
    const description = await response.json();
    return description.components.schemas.ChatRequest.properties;
  } catch {
    return {}; // without it the page asks the default model
  }
}

const optionsOf = (schema) => (schema?.enum ?? []).filter((name) => typeof name === "string");

function fill(list, field, names) {
  list.replaceChildren(...names.map((name) => new Option(name)));
  list.parentElement.hidden = names.length < 2;
  const chosen = visits.recall(`chat.${field}`);
  if (names.includes(chosen)) list.value = chosen;
  list.addEventListener("change", () => visits.remember(`chat.${field}`, list.value));
}

// The first is the service's own choice: nothing has to be asked for.
const isChosen = (list) => list.selectedIndex > 0;
