import { ConnectionState } from '../client/index.js';
import { find, Ties } from '../dom.js';
import { seconds, timeOfDay } from '../times.js';

/** @import { Connection, Transition } from '../client/connection.js' */
/** @import { ConnectionStateName } from '../client/connection-state.js' */

/** @type {Record<ConnectionStateName, { word: string, line: string }>} */
const WORDS = {
  connecting: { word: 'Connecting…', line: 'Connecting…' },
  live: { word: 'Live', line: '' },
  reconnecting: { word: 'Reconnecting…', line: 'The connection was lost.' },
  polling: {
    word: 'Every 10 s',
    line: 'This network lets no live connection through: looking for news every 10 seconds.',
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

/** What the connection is doing, in a word that is always there, and in a line when it is not well. */
export class PgConnection extends HTMLElement {
  #ties = new Ties();
  /** @type {Connection | null} */
  #connection = null;
  #changedAt = 0;
  /** @type {{ word: string, line: string } | null} */
  #ending = null;

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
  #changed({ to, code }) {
    this.#changedAt = Date.now();
    // Without a code it was us, on the way to another page.
    if (to === ConnectionState.STOPPED && code !== null) {
      this.#ending = ENDINGS[code] ?? WORDS.stopped;
      this.#changedAt = 0;
    }
    this.#show();
  }

  #show() {
    const connection = this.#connection;
    if (!connection || !this.word || !this.line) return;
    const { state, lastContactAt, retryAt } = connection;
    const { word, line } = this.#ending ?? WORDS[state];
    this.dataset.state = this.#ending ? 'stopped' : state;
    const isLive = state === ConnectionState.LIVE && !this.#ending;
    set(this.word, word);
    const contact = lastContactAt ? `Last contact ${timeOfDay(new Date(lastContactAt))}` : '';
    this.title = contact;

    const isCalm = isLive || Date.now() - this.#changedAt < PATIENCE_MS;
    this.classList.toggle('connection--calm', isCalm);
    this.classList.toggle('connection--starting', isCalm && state === ConnectionState.CONNECTING);
    this.line.hidden = isCalm;
    if (isCalm) return;
    const next = retryAt ? `next try in ${seconds(retryAt - Date.now())}` : '';
    set(find(this.line, '[data-line-word]', HTMLElement), line);
    set(
      find(this.line, '[data-line-times]', HTMLElement),
      [contact, this.#ending ? '' : next].filter(Boolean).join(' · '),
    );
    find(this.line, '[data-retry]', HTMLElement).hidden = this.#ending !== null;
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
