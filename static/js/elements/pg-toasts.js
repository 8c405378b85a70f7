import { clone, find } from '../dom.js';

/** Long enough to be read twice; it can be closed before. */
const SHOWN_MS = 9_000;

/** Short news about what one just did. */
export class PgToasts extends HTMLElement {
  /** @param {string} message */
  show(message) {
    const toast = clone(this, 'template', HTMLElement);
    find(toast, '[data-message]', HTMLElement).textContent = message;
    const timer = setTimeout(() => toast.remove(), SHOWN_MS);
    find(toast, '[data-close]', HTMLElement).addEventListener('click', () => {
      clearTimeout(timer);
      toast.remove();
    });
    this.append(toast);
  }
}

customElements.define('pg-toasts', PgToasts);
