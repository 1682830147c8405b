// A module that does not arrive (the network changed, a deploy in between) would leave the page silent. It says so instead.
addEventListener(
  "error",
  ({ target }) => {
    if (target instanceof HTMLScriptElement) document.documentElement.classList.add("not-loaded");
  },
  true, // such errors do not bubble
);
