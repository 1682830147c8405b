// The lists of models and chains, where there is a choice. The API's description names them all, the service's own
// choice first; the reader's API key may allow fewer.

import { access } from "./access.js";
import { read, requestFields } from "./description.js";
import { visits } from "./memory.js";

const FIELDS = ["model", "chain"];
// the model that make run starts if there is no key
const ENGLISH_ONLY = "smollm2-135m-instruct";

/** `fields` is what the lists add to a request; `onChange` is called once they are known, and at each choice. */
export function setUpChoices(onChange) {
  const lists = FIELDS.map((field) => document.getElementById(`${field}-list`));
  const defaults = {};

  /** Called whenever the API key has changed. */
  async function refresh() {
    const key = access.key();
    const [properties, allows] = await Promise.all([requestFields, askWhatIsAllowed(key)]);
    if (key !== access.key()) return; // a later change has started its own refresh
    FIELDS.forEach((field, at) => {
      const names = optionsOf(properties[field]);
      [defaults[field]] = names;
      fill(lists[at], names.filter((name) => allows(field, name)));
    });
    document.getElementById("choices").hidden = lists.every((list) => list.parentElement.hidden);
    onChange();
  }

  for (const list of lists) {
    list.addEventListener("change", () => {
      visits.remember(`chat.${list.name}`, list.value);
      onChange();
    });
  }
  refresh();
  const isAskedFor = ({ name, value }) => value !== "" && value !== defaults[name];
  return {
    fields: () => Object.fromEntries(lists.filter(isAskedFor).map(({ name, value }) => [name, value])),
    isEnglishOnly: () => lists[0].value === ENGLISH_ONLY,
    refresh,
  };
}

/** Resolves to a test of (field, name). If the service does not say, nothing is hidden. */
async function askWhatIsAllowed(key) {
  const { data } = await read("v1/models", key ? { Authorization: `Bearer ${key}` } : {});
  const allowed = data?.map(({ id, owned_by: owner }) => `${owner === "chain" ? "chain" : "model"} ${id}`);
  return (field, name) => allowed?.includes(`${field} ${name}`) ?? true;
}

const optionsOf = (schema) => (schema?.enum ?? []).filter((name) => typeof name === "string");

function fill(list, names) {
  list.replaceChildren(...names.map((name) => new Option(name)));
  list.parentElement.hidden = names.length < 2;
  const chosen = visits.recall(`chat.${list.name}`);
  if (names.includes(chosen)) list.value = chosen;
}
