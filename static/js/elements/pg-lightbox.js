import { find } from '../dom.js';

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
    this.#show(index);
    this.#dialog.showModal();
  }

  get #dialog() {
    return find(this, 'dialog', HTMLDialogElement);
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
    dialog.addEventListener('click', (event) => {
      const { target } = event;
      if (target instanceof HTMLElement && 'stage' in target.dataset) dialog.close();
    });
    dialog.addEventListener('keydown', (event) => {
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
    const image = find(this, '[data-image]', HTMLImageElement);
    image.removeAttribute('src');
    image.width = picture.width;
    image.height = picture.height;
    image.srcset = picture.renditions.map(({ url, width }) => `${url} ${width}w`).join(', ');
    image.sizes = '100vw';
    image.src = picture.url;
    image.alt = picture.alt;
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
