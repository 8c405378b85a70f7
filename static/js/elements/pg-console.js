import { WRITERS } from '../console/code.js';
import { FrameList } from '../console/frame-list.js';
import { Link, LinkState } from '../console/link.js';
import { Prefill } from '../console/prefill.js';
import { copyFrom } from '../copying.js';
import { find, Ties } from '../dom.js';

/** @import { LinkStateName } from '../console/link.js' */

const WORDS = { closed: 'Not connected', connecting: 'Connecting…', open: 'Connected', ended: 'Ended' };

/** Talks to the live gateway: a request goes out as it is written, frames are shown as they come. */
export class PgConsole extends HTMLElement {
  #ties = new Ties();
  #link = new Link({
    changed: (state, code) => this.#turned(state, code),
    came: (text) => this.#came(text),
    left: (text) => this.#frames?.add('sent', text),
  });
  /** @type {Prefill} */
  #prefill = new Prefill({});
  /** @type {Record<string, string>} */
  #closings = {};
  /** @type {FrameList | null} */
  #frames = null;

  connectedCallback() {
    this.#ties = new Ties();
    const start = JSON.parse(find(this, '#console-start', HTMLElement).textContent || '{}');
    this.#prefill = new Prefill(start.actions);
    this.#closings = start.closings;
    this.#frames = new FrameList(this, this.#ties, (text) => this.#write(text));
    this.#listen();
    this.#choose(this.#action.value);
    this.#describe();
  }

  disconnectedCallback() {
    this.#ties.cut();
    this.#link.close();
  }

  #listen() {
    const on = this.#on.bind(this);
    on('[data-connect]', 'click', () => this.#connectOrLeave());
    for (const name of ['address', 'dialect', 'token']) {
      on(`[data-${name}]`, 'change', () => this.#describe());
    }
    on('[data-settings]', 'submit', (event) => {
      event.preventDefault();
      this.#connect();
    });
    on('[data-action]', 'change', () => this.#choose(this.#action.value));
    on('[data-example]', 'change', () => this.#fill());
    on('[data-request]', 'submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    on('[data-text]', 'input', () => this.#check());
    on('[data-text]', 'keydown', (event) => {
      if (!(event instanceof KeyboardEvent)) return;
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) this.#send();
    });
    for (const button of this.querySelectorAll('[data-copy-as]')) {
      button.addEventListener('click', () => this.#copyAs(button), { signal: this.#ties.signal });
    }
    const { signal } = this.#ties;
    document.addEventListener('click', (event) => this.#try(event), { signal });
  }

  /**
   * @param {string} selector
   * @param {string} type
   * @param {(event: Event) => void} listener
   */
  #on(selector, type, listener) {
    const { signal } = this.#ties;
    find(this, selector, HTMLElement).addEventListener(type, listener, { signal });
  }

  get #action() {
    return find(this, '[data-action]', HTMLSelectElement);
  }

  get #text() {
    return find(this, '[data-text]', HTMLTextAreaElement);
  }

  get #token() {
    return find(this, '[data-token]', HTMLInputElement).value.trim();
  }

  get #dialect() {
    return find(this, '[data-dialect]', HTMLSelectElement).value;
  }

  get #address() {
    return find(this, '[data-address]', HTMLSelectElement).value;
  }

  get #url() {
    return new URL(this.#address, location.href.replace(/^http/, 'ws')).href;
  }

  // --- the link -----------------------------------------------------------------------------

  #connectOrLeave() {
    const { state } = this.#link;
    if (state === LinkState.OPEN || state === LinkState.CONNECTING) this.#link.close();
    else this.#connect();
  }

  #connect() {
    const key = this.#token ? [`picturegram.bearer.${this.#token}`] : [];
    try {
      this.#link.open(this.#url, [this.#dialect, ...key]);
    } catch (error) {
      this.#frames?.add('note', `That cannot be offered: ${error instanceof Error ? error.message : error}`);
    }
  }

  /**
   * @param {LinkStateName} state
   * @param {number} code
   */
  #turned(state, code) {
    const said = find(this, '.console__state', HTMLElement);
    said.dataset.state = state;
    find(said, '[data-word]', HTMLElement).textContent = code ? `Ended: ${code}` : WORDS[state];
    const button = find(this, '[data-connect]', HTMLButtonElement);
    const isOn = state === LinkState.OPEN || state === LinkState.CONNECTING;
    button.textContent = isOn ? 'Disconnect' : 'Connect';
    button.classList.toggle('button--primary', !isOn);
    if (state === LinkState.ENDED) {
      this.#frames?.add('note', `Closed with ${code}. ${this.#closings[code] ?? ''}`.trim());
    }
    if (state === LinkState.OPEN) this.#frames?.add('note', `Connected to ${this.#address}`);
    if (state === LinkState.CLOSED) this.#frames?.add('note', 'Disconnected');
  }

  /** @param {string} text */
  #came(text) {
    const frame = this.#frames?.add('came', text).frame;
    this.#prefill.note(frame);
    // From the message handler: the timers of a hidden tab sleep.
    if (frame?.type === 'heartbeat') this.#link.send('{"action": "ping"}');
  }

  #describe() {
    const who = this.#token ? 'With an access key' : (this.dataset.who ?? '');
    const dialect = this.#dialect === 'chat' ? ', quiet' : '';
    find(this, '[data-summary]', HTMLElement).textContent = `${who}, ${this.#address}${dialect}`;
  }

  // --- the request --------------------------------------------------------------------------

  /** @param {Event} event */
  #try(event) {
    const button = event.target instanceof Element ? event.target.closest('[data-try]') : null;
    if (!(button instanceof HTMLElement)) return;
    this.#action.value = button.dataset.try ?? '';
    this.#choose(this.#action.value);
    if (getComputedStyle(this).display === 'none') this.showPopover();
    this.#text.focus();
  }

  /** @param {string} name */
  #choose(name) {
    const action = this.#prefill.actions[name];
    if (!action) return;
    find(this, '[data-said]', HTMLElement).textContent = firstSentence(action.description);
    const examples = find(this, '[data-example]', HTMLSelectElement);
    examples.replaceChildren(
      ...action.examples.map((_, place) => new Option(`Example ${place + 1}`, String(place))),
    );
    find(this, '[data-examples]', HTMLElement).hidden = action.examples.length < 2;
    this.#fill();
  }

  #fill() {
    const place = Number(find(this, '[data-example]', HTMLSelectElement).value);
    this.#text.value = this.#prefill.textOf(this.#action.value, place);
    this.#check();
  }

  /** Takes a request that was sent before. @param {string} text */
  #write(text) {
    this.#text.value = text;
    this.#check();
    this.#text.focus();
  }

  #check() {
    let problem = '';
    try {
      JSON.parse(this.#text.value);
    } catch (error) {
      const reason = error instanceof Error ? error.message : '';
      problem = this.#text.value.trim() ? `No JSON, and sent as it is: ${reason}` : '';
    }
    find(this, '[data-problem]', HTMLElement).textContent = problem;
  }

  #send() {
    const text = this.#text.value;
    if (!text.trim()) return;
    const { state } = this.#link;
    if (state === LinkState.CLOSED || state === LinkState.ENDED) this.#connect();
    this.#link.send(text);
    this.#renumber();
  }

  /** The next request has a number of its own, so that answers can be told apart. */
  #renumber() {
    this.#text.value = this.#text.value.replace(
      /("request_id"\s*:\s*)(\d{1,9})(?=\s*[,}])/,
      (_, name, number) => `${name}${Number(number) + 1}`,
    );
  }

  /** @param {Element} button */
  #copyAs(button) {
    if (!(button instanceof HTMLElement)) return;
    const write = WRITERS[/** @type {keyof typeof WRITERS} */ (button.dataset.copyAs)];
    const hasKey = this.#token !== '' || this.dataset.who !== 'Anonymous';
    const errand = { url: this.#url, dialect: this.#dialect, hasKey, text: this.#text.value };
    void copyFrom(button, write(errand));
  }
}

/** @param {string} text */
function firstSentence(text) {
  return text.replace(/\s+/g, ' ').replace(/(?<=[.!?]) .*/, '');
}

customElements.define('pg-console', PgConsole);
