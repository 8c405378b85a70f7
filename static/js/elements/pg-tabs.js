import { Ties } from '../dom.js';

/** Sections of which one is shown, chosen by tabs as the ARIA practices describe them. */
export class PgTabs extends HTMLElement {
  #ties = new Ties();
  /** @type {HTMLButtonElement[]} */
  #tabs = [];

  connectedCallback() {
    this.#ties = new Ties();
    const panels = [...this.querySelectorAll('[data-tab]')].filter(
      (panel) => panel instanceof HTMLElement,
    );
    this.#tabs = panels.map((panel, place) => this.#tabOf(panel, place));
    const list = document.createElement('div');
    list.className = 'tabs__list';
    list.setAttribute('role', 'tablist');
    list.append(...this.#tabs);
    list.addEventListener('keydown', (event) => this.#move(event), { signal: this.#ties.signal });
    this.prepend(list);
    this.#choose(0);
  }

  disconnectedCallback() {
    this.#ties.cut();
    this.querySelector('.tabs__list')?.remove();
  }

  /**
   * @param {HTMLElement} panel
   * @param {number} place
   */
  #tabOf(panel, place) {
    const tab = document.createElement('button');
    tab.className = 'tabs__tab';
    tab.type = 'button';
    tab.id = `tab-${place}`;
    tab.textContent = panel.dataset.tab ?? '';
    tab.setAttribute('role', 'tab');
    panel.id ||= `panel-${place}`;
    panel.setAttribute('role', 'tabpanel');
    panel.setAttribute('aria-labelledby', tab.id);
    tab.setAttribute('aria-controls', panel.id);
    tab.addEventListener('click', () => this.#choose(place), { signal: this.#ties.signal });
    return tab;
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    const count = this.#tabs.length;
    const from = this.#tabs.findIndex((tab) => tab === document.activeElement);
    const to = { ArrowRight: from + 1, ArrowLeft: from - 1, Home: 0, End: count - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#choose((to + count) % count);
    this.#tabs[(to + count) % count]?.focus();
  }

  /** @param {number} chosen */
  #choose(chosen) {
    for (const [place, tab] of this.#tabs.entries()) {
      const isChosen = place === chosen;
      tab.setAttribute('aria-selected', String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      const panel = document.getElementById(tab.getAttribute('aria-controls') ?? '');
      if (panel) panel.hidden = !isChosen;
    }
  }
}

customElements.define('pg-tabs', PgTabs);
