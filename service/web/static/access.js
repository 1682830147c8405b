// The reader's API key, if the service requires one: asked for once, kept until the tab is closed.

import { tab } from "./memory.js";

const KEY = "chat.key";

let key = tab.recall(KEY);

export const access = {
  key: () => key,
  keep(entered) {
    key = entered;
    tab.remember(KEY, key);
  },
  forget() {
    key = null;
    tab.forget(KEY);
  },
};
