// What the browser remembers. Storage throws where it is blocked or full; then it is not remembered, and the page works on.

/** Over visits, for every tab. */
export const visits = memory(() => localStorage);
/** Until the tab is closed, over reloads. A tab that is duplicated starts with a copy, an access key included. */
export const tab = memory(() => sessionStorage);

function memory(storage) {
  return {
    recall: (key) => attempt(() => storage().getItem(key)),
    /** False where there was no room for it. */
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
