// Follows the growing text while the reader is at its end, and leaves a reader alone who has scrolled up.

const AT_END_PIXELS = 32;

export class Follower {
  #scroller;
  #toNewest;
  #following = true;
  #lastTop = 0;

  constructor(scroller, content, toNewest) {
    this.#scroller = scroller;
    this.#toNewest = toNewest;
    scroller.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    toNewest.addEventListener("click", () => this.follow());
    const sizes = new ResizeObserver(() => this.#onGrowth());
    sizes.observe(content);
    sizes.observe(scroller);
  }

  follow() {
    this.#following = true;
    this.#onGrowth();
  }

  // Upwards is always the reader's wish (or the text was thrown away, and then the end is in sight).
  #onScroll() {
    const { scrollTop } = this.#scroller;
    if (this.#distanceToEnd() <= AT_END_PIXELS) this.#following = true;
    else if (scrollTop < this.#lastTop) this.#following = false;
    this.#lastTop = scrollTop;
    this.#offerNewest();
  }

  #onGrowth() {
    if (this.#following) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#offerNewest();
  }

  #offerNewest() {
    this.#toNewest.hidden = this.#following || this.#distanceToEnd() <= AT_END_PIXELS;
  }

  #distanceToEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight;
  }
}
