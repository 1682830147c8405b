// iOS puts its keyboard over the page instead of shrinking it; the page then fits itself to the visible part.

export function fitViewport() {
  const visible = window.visualViewport;
  if (!visible) return;
  const fit = () => {
    const covered = window.innerHeight - visible.height * visible.scale > 80;
    document.documentElement.classList.toggle("keyboard", covered);
    document.documentElement.style.setProperty("--visible-height", `${visible.height}px`);
    if (covered && visible.scale === 1) window.scrollTo(0, 0);
  };
  visible.addEventListener("resize", fit);
  fit();
}
