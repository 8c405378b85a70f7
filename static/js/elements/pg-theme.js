import { Ties } from '../dom.js';

/** Light, dark, or as the system has it; remembered on this device. theme.js applies it early. */
export class PgTheme extends HTMLElement {
  #ties = new Ties();

  connectedCallback() {
    this.#ties = new Ties();
    this.addEventListener('click', (event) => this.#choose(event), { signal: this.#ties.signal });
    this.#show();
  }

  disconnectedCallback() {
    this.#ties.cut();
  }

  /** @param {Event} event */
  #choose(event) {
    const button = event.target instanceof Element ? event.target.closest('button') : null;
    if (!button) return;
    const root = document.documentElement;
    try {
      if (button.value === 'system') localStorage.removeItem('theme');
      else localStorage.setItem('theme', button.value);
    } catch {
      // It holds for this page at least.
    }
    if (button.value === 'system') delete root.dataset.theme;
    else root.dataset.theme = button.value;
    this.#show();
  }

  #show() {
    const theme = document.documentElement.dataset.theme ?? 'system';
    for (const button of this.querySelectorAll('button')) {
      button.setAttribute('aria-pressed', String(button.value === theme));
    }
  }
}

customElements.define('pg-theme', PgTheme);
