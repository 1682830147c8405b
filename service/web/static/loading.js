// Without this, a module that fails to load (a network change, a deploy) would leave a page that does nothing.
addEventListener(
  "error",
  ({ target }) => {
    if (target instanceof HTMLScriptElement) document.documentElement.classList.add("not-loaded");
  },
  true, // such errors do not bubble
);
