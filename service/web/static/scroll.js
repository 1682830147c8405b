// Follows the growing text while the reader is at its end, but not once the reader has scrolled up.

const AT_END_PIXELS = 32;

export class Follower {
  #scroller;
  #content;
  #toLatest;
  #following = false;
  #lastTop = 0;
  #lastExtent = 0;

  constructor(scroller, content, toLatest) {
    this.#scroller = scroller;
    this.#content = content;
    this.#toLatest = toLatest;
    scroller.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    toLatest.addEventListener("click", () => this.follow());
    const sizes = new ResizeObserver(() => this.#onGrowth());
    sizes.observe(content);
    sizes.observe(scroller);
  }

  follow() {
    this.#following = true;
    this.#onGrowth();
  }

  // Any movement up is the reader's, unless the content has become shorter, which also moves it up.
  #onScroll() {
    const { scrollTop } = this.#scroller;
    if (scrollTop < this.#lastTop && this.#extent() >= this.#lastExtent) this.#following = false;
    else if (scrollTop > this.#lastTop && this.#distanceToEnd() <= AT_END_PIXELS) this.#following = true;
    this.#look();
  }

  #onGrowth() {
    if (this.#following) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#look();
  }

  #look() {
    this.#lastTop = this.#scroller.scrollTop;
    this.#lastExtent = this.#extent();
    const isInSight = this.#following || this.#distanceToEnd() <= AT_END_PIXELS;
    this.#toLatest.hidden = isInSight || this.#content.childElementCount === 0;
  }

  #distanceToEnd() {
    return this.#extent() - this.#scroller.scrollTop;
  }

  #extent() {
    return this.#scroller.scrollHeight - this.#scroller.clientHeight;
  }
}
