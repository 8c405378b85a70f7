import { ConnectionState } from '../client/index.js';
import { find, Ties } from '../dom.js';
import { seconds, timeOfDay } from '../times.js';

/** @import { Connection, Transition } from '../client/connection.js' */
/** @import { ConnectionStateName } from '../client/connection-state.js' */

/** @type {Record<ConnectionStateName, { word: string, line: string }>} */
const WORDS = {
  connecting: { word: 'Connecting…', line: 'Connecting…' },
  live: { word: 'Live', line: 'Connected: news comes by itself.' },
  reconnecting: { word: 'Reconnecting…', line: 'The connection was lost.' },
  polling: {
    word: 'Every 10 s',
    line: 'No live connection gets through: looking for news every 10 s.',
  },
  offline: { word: 'Offline', line: 'The server cannot be reached.' },
  stopped: { word: 'Stopped', line: 'The server ended the connection.' },
};
/** @type {Record<number, { word: string, line: string }>} */
const ENDINGS = {
  4001: { word: 'Signed out', line: 'You have been signed out.' },
  4003: { word: 'Stopped', line: 'This room is not open to you any more.' },
  4012: { word: 'Stopped', line: 'A moderator ended the connection.' },
};
/** Short losses heal before anybody has read about them. */
const PATIENCE_MS = 1_500;
/** Polling goes on for as long as the network is what it is; after this it is news no more. */
const POLLING_NEWS_MS = 12_000;

/** What the connection is doing, in a word that is always there, and in a line when it is not well. */
export class PgConnection extends HTMLElement {
  #ties = new Ties();
  /** @type {Connection | null} */
  #connection = null;
  #changedAt = 0;
  /** When it was last well, or had not begun: what goes wrong after that is one story. */
  #unwellSince = 0;
  /** @type {{ word: string, line: string } | null} */
  #ending = null;
  /** Whether the reader wants to see the line; null: as the state has it.
   * @type {boolean | null} */
  #wish = null;

  disconnectedCallback() {
    this.#ties.cut();
  }

  /** @param {Connection} connection */
  connect(connection) {
    this.#connection = connection;
    const { signal } = this.#ties;
    this.word = find(this, '[data-word]', HTMLElement);
    this.line = find(document, '[data-connection-line]', HTMLElement);
    this.#ties.add(connection.on('transition', (transition) => this.#changed(transition)));
    find(this.line, '[data-retry]', HTMLElement).addEventListener(
      'click',
      () => connection.retryNow(),
      { signal },
    );
    this.#button.addEventListener(
      'click',
      () => {
        this.#wish = this.line?.hidden === true;
        this.#show();
      },
      { signal },
    );
    // The browser's word is a hint to look, never the truth itself.
    for (const name of ['online', 'offline']) {
      window.addEventListener(name, () => connection.retryNow(), { signal });
    }
    document.addEventListener(
      'visibilitychange',
      () => {
        if (document.visibilityState === 'visible') connection.retryNow();
      },
      { signal },
    );
    this.#ties.every(() => this.#show(), 1000);
    this.#show();
  }

  /** Says for good that the room is lost. @param {string} line */
  tell(line) {
    this.#ending = { word: 'Stopped', line };
    this.#show();
  }

  /** @param {Transition} transition */
  #changed({ from, to, code }) {
    this.#changedAt = Date.now();
    // Between the kinds of trouble a line neither goes away nor comes back by itself.
    const wasWell = from === ConnectionState.LIVE || from === ConnectionState.STOPPED;
    if (wasWell) this.#unwellSince = this.#changedAt;
    const isWellOrOver = to === ConnectionState.LIVE || to === ConnectionState.STOPPED;
    if (wasWell || isWellOrOver) this.#wish = null;
    // Without a code it was us, on the way to another page.
    if (to === ConnectionState.STOPPED && code !== null) {
      this.#ending = ENDINGS[code] ?? WORDS.stopped;
      this.#changedAt = 0;
    }
    this.#show();
  }

  get #button() {
    return find(this, 'button', HTMLButtonElement);
  }

  /** Whether the state is worth a line by itself. */
  get #isNews() {
    const state = this.#connection?.state;
    if (this.#ending) return true;
    if (state === ConnectionState.LIVE) return false;
    const isOldNews =
      state === ConnectionState.POLLING && Date.now() - this.#changedAt > POLLING_NEWS_MS;
    return Date.now() - this.#unwellSince >= PATIENCE_MS && !isOldNews;
  }

  /** What is tried next, and when. */
  get #next() {
    const { state, retryAt, socketRetryAt } = /** @type {Connection} */ (this.#connection);
    if (this.#ending || state === ConnectionState.LIVE || state === ConnectionState.STOPPED) {
      return '';
    }
    if (state === ConnectionState.POLLING) {
      const when = socketRetryAt ? `again in ${seconds(socketRetryAt - Date.now())}` : 'now…';
      return `trying for a live connection ${when}`;
    }
    return retryAt ? `next try in ${seconds(retryAt - Date.now())}` : 'trying now…';
  }

  #show() {
    const connection = this.#connection;
    if (!connection || !this.word || !this.line) return;
    const { state, lastContactAt } = connection;
    const { word, line } = this.#ending ?? WORDS[state];
    this.dataset.state = this.#ending ? 'stopped' : state;
    set(this.word, word);
    const contact = lastContactAt ? `Last contact ${timeOfDay(new Date(lastContactAt))}` : '';
    this.#button.title = contact;

    const isShort = Date.now() - this.#changedAt < PATIENCE_MS;
    this.classList.toggle('connection--starting', isShort && state === ConnectionState.CONNECTING);
    const isShown = this.#wish ?? this.#isNews;
    this.line.hidden = !isShown;
    this.#button.setAttribute('aria-expanded', String(isShown));
    // Read aloud when it is worth a line.
    set(find(this, '[data-said]', HTMLElement), this.#isNews ? line : '');
    if (!isShown) return;
    set(find(this.line, '[data-line-word]', HTMLElement), line);
    set(
      find(this.line, '[data-line-times]', HTMLElement),
      [contact, this.#next].filter(Boolean).join(' · '),
    );
    const isLive = state === ConnectionState.LIVE;
    find(this.line, '[data-retry]', HTMLElement).hidden = isLive || this.#ending !== null;
    find(this.line, '[data-reload]', HTMLElement).hidden = this.#ending === null;
  }
}

/**
 * @param {HTMLElement} element
 * @param {string} text
 */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

customElements.define('pg-connection', PgConnection);
