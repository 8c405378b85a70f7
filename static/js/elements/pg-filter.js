import { find, Ties } from '../dom.js';
import { hasWords } from '../words.js';

/** Shows the entries of this page that have all words of a query, and where they are. */
export class PgFilter extends HTMLElement {
  #ties = new Ties();

  connectedCallback() {
    this.#ties = new Ties();
    const { signal } = this.#ties;
    this.#input.addEventListener('input', () => this.#show(), { signal });
    this.#input.addEventListener('keydown', (event) => this.#press(event), { signal });
    document.addEventListener('keydown', (event) => this.#hear(event), { signal });
    document.addEventListener('click', (event) => this.#follow(event), { signal });
    window.addEventListener('hashchange', () => this.#reveal(), { signal });
    const clear = document.querySelector('[data-none] [data-clear]');
    clear?.addEventListener('click', () => this.#clear(), { signal });
    if (this.#input.value) this.#show();
    this.#mark();
  }

  disconnectedCallback() {
    this.#ties.cut();
  }

  get #input() {
    return find(this, '[data-query]', HTMLInputElement);
  }

  #clear() {
    this.#input.value = '';
    this.#show();
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (event.key === 'Escape' && this.#input.value) {
      event.preventDefault();
      this.#clear();
    }
    if (event.key === 'Enter') {
      const first = document.querySelector('.contents__name:not([hidden])');
      if (this.#input.value && first instanceof HTMLAnchorElement) first.click();
    }
  }

  /** A slash means searching, as elsewhere, unless somebody is writing. @param {KeyboardEvent} event */
  #hear(event) {
    const isWriting =
      event.target instanceof Element && event.target.closest('input, textarea, select');
    if (event.key !== '/' || isWriting || event.ctrlKey || event.metaKey || event.altKey) return;
    const contents = this.closest('[popover]');
    if (contents instanceof HTMLElement && getComputedStyle(contents).display === 'none') {
      contents.showPopover();
    }
    event.preventDefault();
    this.#input.focus();
    this.#input.select();
  }

  /** The drawer closes behind who has found something. @param {Event} event */
  #follow(event) {
    const link = event.target instanceof Element ? event.target.closest('a[href^="#"]') : null;
    if (!link) return;
    const contents = this.closest('[popover]');
    if (contents instanceof HTMLElement && contents.contains(link)) {
      if (contents.matches(':popover-open')) contents.hidePopover();
    }
    this.#reveal(link.getAttribute('href') ?? '');
  }

  /** What is linked to is shown, whatever is searched for. @param {string} [hash] */
  #reveal(hash = location.hash) {
    const target = document.getElementById(decodeURIComponent(hash.slice(1)));
    if (target?.closest('[hidden]')) this.#clear();
    this.#mark(hash);
  }

  /** @param {string} [hash] */
  #mark(hash = location.hash) {
    for (const link of document.querySelectorAll('.contents__list a')) {
      if (hash && link.getAttribute('href') === hash) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
    }
  }

  #show() {
    const query = this.#input.value.trim();
    const entries = [...document.querySelectorAll('[data-entry]')];
    /** @type {Set<string>} */
    const found = new Set();
    for (const entry of entries) {
      const isFound = hasWords(entry.getAttribute('data-entry') ?? '', query);
      if (isFound) found.add(entry.id);
      show(entry, isFound);
    }
    for (const prose of document.querySelectorAll('[data-prose]')) show(prose, !query);
    for (const group of document.querySelectorAll('[data-group]')) {
      show(group, group.querySelector('[data-entry]:not([hidden])') !== null);
    }
    const actions = document.getElementById('actions');
    if (actions) show(actions, actions.querySelector('[data-entry]:not([hidden])') !== null);
    this.#showContents(query, found);
    const none = document.querySelector('[data-none]');
    if (none) show(none, found.size === 0);
    if (query) window.scrollTo({ top: 0 });
    const said = query ? `${found.size} of ${entries.length} found` : '';
    find(this, '[data-count]', HTMLElement).textContent = said;
  }

  /**
   * @param {string} query
   * @param {Set<string>} found
   */
  #showContents(query, found) {
    for (const link of document.querySelectorAll('.contents__name')) {
      show(link, found.has((link.getAttribute('href') ?? '').slice(1)));
    }
    for (const name of document.querySelectorAll('.contents__group')) {
      show(name, name.nextElementSibling?.querySelector('a:not([hidden])') != null);
    }
    for (const item of document.querySelectorAll('.contents__list > li')) {
      show(item, !query || item.querySelector('.contents__name:not([hidden])') !== null);
    }
  }
}

/**
 * @param {Element} element
 * @param {boolean} isShown
 */
function show(element, isShown) {
  if (element instanceof HTMLElement) element.hidden = !isShown;
}

customElements.define('pg-filter', PgFilter);
