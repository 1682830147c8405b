// Light or dark: the system's choice until the reader chooses.
(() => {
  const KEY = "chat.theme";
  const GROUND = { light: "#f5f8f7", dark: "#0f1514" };
  const system = matchMedia("(prefers-color-scheme: dark)");
  const systemTheme = () => (system.matches ? "dark" : "light");

  // Storage throws if the browser blocks it; the choice is then not remembered.
  function chosenTheme() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  // Choosing the system's own theme means following the system again.
  function choose(theme) {
    try {
      if (theme === systemTheme()) localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, theme);
    } catch {
      // Applies anyway, until the page is closed.
    }
    show(theme);
  }

  function show(theme) {
    document.documentElement.dataset.theme = theme;
    document.querySelector('meta[name="theme-color"]').content = GROUND[theme];
  }

  const current = () => document.documentElement.dataset.theme;

  show(chosenTheme() === null ? systemTheme() : chosenTheme() === "dark" ? "dark" : "light");
  system.addEventListener("change", () => {
    if (chosenTheme() === null) show(systemTheme());
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("#theme-toggle")) choose(current() === "dark" ? "light" : "dark");
  });
})();
