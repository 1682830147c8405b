// The browser's storage. It throws if it is blocked or full; then nothing is remembered, but the page still works.

/** Across visits, for every tab. */
export const visits = memory(() => localStorage);
/** Across reloads, until the tab is closed. A duplicated tab starts with a copy, including the API key. */
export const tab = memory(() => sessionStorage);

function memory(storage) {
  return {
    recall: (key) => attempt(() => storage().getItem(key)),
    /** False if there was no room for it. */
    remember: (key, value) => attempt(() => storage().setItem(key, value)) !== null,
    forget: (key) => attempt(() => storage().removeItem(key)),
  };
}

function attempt(use) {
  try {
    return use();
  } catch {
    return null;
  }
}
