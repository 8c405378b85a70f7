import { find } from '../dom.js';
import { decodeThumbHash } from '../thumbhash.js';

/** @import { Picture } from '../client/wire.js' */

/** A picture on its own, as large as the screen; the browser's dialog does focus and Escape. */
export class PgLightbox extends HTMLElement {
  /** @type {Picture[]} */
  #pictures = [];
  #index = 0;
  #isReady = false;

  /**
   * @param {Picture[]} pictures
   * @param {number} index
   */
  open(pictures, index) {
    this.#prepare();
    this.#pictures = pictures;
    this.#dialog.showModal();
    this.#show(index);
  }

  get #dialog() {
    return find(this, 'dialog', HTMLDialogElement);
  }

  get #image() {
    return find(this, '[data-image]', HTMLImageElement);
  }

  get #stage() {
    return find(this, '[data-stage]', HTMLElement);
  }

  get #isZoomed() {
    return this.#stage.classList.contains('lightbox__stage--actual');
  }

  /**
   * Shows the picture pixel by pixel, or as a whole.
   * @param {boolean} isActual
   * @param {number} [x] what of it comes into the middle, as a share of its width
   * @param {number} [y] and of its height
   */
  #zoom(isActual, x = 0.5, y = 0) {
    const stage = this.#stage;
    const image = this.#image;
    if (isActual && !this.#isLarger) return;
    stage.classList.toggle('lightbox__stage--actual', isActual);
    stage.removeAttribute('tabindex');
    find(this, '[data-zoom]', HTMLElement).setAttribute('aria-pressed', String(isActual));
    // Density makes the natural size another one until the largest source is there.
    image.style.inlineSize = isActual ? `${this.#pictures[this.#index]?.width}px` : '';
    if (!isActual) return;
    // What scrolls can be scrolled by keyboard.
    stage.tabIndex = 0;
    image.removeAttribute('srcset');
    stage.scrollTo({
      left: x * image.clientWidth - stage.clientWidth / 2,
      top: y * image.clientHeight - stage.clientHeight / 2,
    });
  }

  /** Whether there is more of the picture than its whole shows; by the side that was made to fit. */
  get #isLarger() {
    const { width, height } = this.#pictures[this.#index] ?? { width: 0, height: 0 };
    const { clientWidth, clientHeight } = this.#image;
    return width > clientWidth + 1 || height > clientHeight + 1;
  }

  #showZoom() {
    const isOffered = this.#isZoomed || this.#isLarger;
    find(this, '[data-zoom]', HTMLElement).hidden = !isOffered;
    this.#image.classList.toggle('lightbox__image--larger', isOffered);
  }

  #prepare() {
    if (this.#isReady) return;
    this.#isReady = true;
    const dialog = this.#dialog;
    const on = (/** @type {string} */ selector, /** @type {() => void} */ action) =>
      find(this, selector, HTMLElement).addEventListener('click', action);
    on('[data-close]', () => dialog.close());
    on('[data-previous]', () => this.#show(this.#index - 1));
    on('[data-next]', () => this.#show(this.#index + 1));
    on('[data-zoom]', () => this.#zoom(!this.#isZoomed));
    this.#image.addEventListener('click', (event) => {
      const { left, top, width, height } = this.#image.getBoundingClientRect();
      this.#zoom(!this.#isZoomed, (event.clientX - left) / width, (event.clientY - top) / height);
    });
    this.#image.addEventListener('load', () => this.#showZoom());
    window.addEventListener('resize', () => dialog.open && this.#showZoom());
    dialog.addEventListener('click', (event) => {
      const { target } = event;
      if (target instanceof HTMLElement && 'stage' in target.dataset) dialog.close();
    });
    dialog.addEventListener('keydown', (event) => {
      // The arrows scroll what is larger than the screen.
      if (this.#isZoomed) return;
      if (event.key === 'ArrowLeft') this.#show(this.#index - 1);
      if (event.key === 'ArrowRight') this.#show(this.#index + 1);
    });
    // Nothing of it stays in memory or in the page's text.
    dialog.addEventListener('close', () => find(dialog, 'img', HTMLImageElement).removeAttribute('src'));
  }

  /** @param {number} index */
  #show(index) {
    const picture = this.#pictures[index];
    if (!picture) return;
    this.#index = index;
    const image = this.#image;
    this.#zoom(false);
    image.removeAttribute('src');
    image.width = picture.width;
    image.height = picture.height;
    image.srcset = picture.renditions.map(({ url, width }) => `${url} ${width}w`).join(', ');
    image.sizes = `min(100vw, ${picture.width}px)`;
    image.src = picture.url;
    image.alt = picture.alt;
    const isSeeThrough = decodeThumbHash(picture.placeholder)?.hasAlpha ?? false;
    image.classList.toggle('lightbox__image--see-through', isSeeThrough);
    this.#showZoom();
    find(this, '[data-caption]', HTMLElement).textContent = picture.alt;
    const count = this.#pictures.length;
    find(this, '[data-count]', HTMLElement).textContent = count > 1 ? `${index + 1} / ${count}` : '';
    const previous = find(this, '[data-previous]', HTMLButtonElement);
    const next = find(this, '[data-next]', HTMLButtonElement);
    previous.hidden = next.hidden = count === 1;
    previous.disabled = index === 0;
    next.disabled = index === count - 1;
  }
}

customElements.define('pg-lightbox', PgLightbox);
