import { copyFrom } from '../copying.js';
import { find, Ties } from '../dom.js';

/** An example that can be copied. */
export class PgCode extends HTMLElement {
  #ties = new Ties();

  connectedCallback() {
    this.#ties = new Ties();
    const button = find(this, '[data-copy]', HTMLButtonElement);
    const { signal } = this.#ties;
    button.addEventListener(
      'click',
      () => copyFrom(button, find(this, 'code', HTMLElement).textContent ?? ''),
      { signal },
    );
  }

  disconnectedCallback() {
    this.#ties.cut();
  }
}

customElements.define('pg-code', PgCode);
