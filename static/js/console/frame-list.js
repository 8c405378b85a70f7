import { copyFrom } from '../copying.js';
import { clone, find } from '../dom.js';
import { coloured } from './colours.js';
import { briefOf, isBeat, isWanted, kindOf, KEPT, readMessage } from './frames.js';

/** @import { Message } from './frames.js' */
/** @import { Ties } from '../dom.js' */

const WAYS = { sent: ['↑', 'sent'], came: ['↓', 'received'], note: ['·', 'note'] };
/** How close to its end a list counts as being read at its end. */
const END_PX = 40;
/** Characters of a frame that its line begins with. */
const BRIEF = 300;

/** The list of frames of a console: what is kept, what is shown of it, and when it stands still. */
export class FrameList {
  /** @type {WeakMap<Element, Message>} */
  #messages = new WeakMap();
  #isPaused = false;
  #hasBeats = false;
  /** Frames that came while the list stood still. @type {Message[]} */
  #held = [];

  /**
   * @param {HTMLElement} root
   * @param {Ties} ties
   * @param {(text: string) => void} again takes a request that shall be sent again
   */
  constructor(root, ties, again) {
    this.root = root;
    this.again = again;
    this.log = find(root, '[data-log]', HTMLOListElement);
    this.query = find(root, '[data-filter]', HTMLInputElement);
    const { signal } = ties;
    this.query.addEventListener('input', () => this.#sift(), { signal });
    this.log.addEventListener('click', (event) => this.#act(event), { signal });
    find(root, '[data-clear]', HTMLElement).addEventListener('click', () => this.clear(), {
      signal,
    });
    this.#onToggle('[data-pause]', signal, (isOn) => this.#pause(isOn));
    this.#onToggle('[data-beats]', signal, (isOn) => {
      this.#hasBeats = isOn;
      this.#sift();
    });
  }

  /**
   * @param {Message['way']} way
   * @param {string} text
   */
  add(way, text) {
    const message = readMessage(way, text, Date.now());
    if (this.#isPaused) {
      this.#held.push(message);
      if (this.#held.length > KEPT) this.#held.shift();
      this.#tellHeld();
    } else {
      this.#show([message]);
    }
    return message;
  }

  clear() {
    this.#held = [];
    this.#tellHeld();
    this.log.replaceChildren();
    this.#tellEmpty();
  }

  /**
   * @param {string} selector of a button that is pressed or not
   * @param {AbortSignal} signal
   * @param {(isOn: boolean) => void} turn
   */
  #onToggle(selector, signal, turn) {
    const button = find(this.root, selector, HTMLButtonElement);
    const toggle = () => {
      const isOn = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', String(isOn));
      turn(isOn);
    };
    button.addEventListener('click', toggle, { signal });
  }

  /** @param {Message[]} messages */
  #show(messages) {
    const { log } = this;
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < END_PX;
    log.append(...messages.map((message) => this.#row(message)));
    while (log.children.length > KEPT) log.firstElementChild?.remove();
    this.#tellEmpty();
    if (isAtEnd) log.scrollTop = log.scrollHeight;
  }

  /** @param {Message} message */
  #row(message) {
    const row = clone(this.root, '[data-frame]', HTMLLIElement);
    this.#messages.set(row, message);
    const [sign, word] = WAYS[message.way];
    row.classList.add(`frame--${message.way}`);
    row.classList.toggle('frame--error', Boolean(message.frame?.error));
    const way = find(row, '[data-way]', HTMLElement);
    way.textContent = sign ?? '';
    way.setAttribute('aria-label', word ?? '');
    const kind = find(row, '[data-kind]', HTMLElement);
    kind.textContent = kindOf(message);
    kind.hidden = kind.textContent === '';
    find(row, '[data-brief]', HTMLElement).textContent = briefOf(message).slice(0, BRIEF);
    const time = find(row, '[data-time]', HTMLTimeElement);
    const at = new Date(message.at);
    time.dateTime = at.toISOString();
    time.textContent = clockTime(at);
    find(row, '[data-again]', HTMLElement).hidden = message.way !== 'sent';
    // Most frames are never opened: their text is set when they are.
    const details = find(row, 'details', HTMLDetailsElement);
    details.addEventListener('toggle', () => this.#open(row), { once: true });
    row.hidden = !this.#isShown(message);
    return row;
  }

  /** @param {HTMLLIElement} row */
  #open(row) {
    const message = this.#messages.get(row);
    if (!message) return;
    const text = message.frame === null ? message.text : JSON.stringify(message.frame, null, 2);
    find(row, '[data-body]', HTMLElement).replaceChildren(coloured(text));
  }

  /** @param {Message} message */
  #isShown(message) {
    const query = this.query.value.trim();
    return (this.#hasBeats || !isBeat(message)) && isWanted(message, query);
  }

  #sift() {
    for (const row of this.log.children) {
      const message = this.#messages.get(row);
      if (message && row instanceof HTMLElement) row.hidden = !this.#isShown(message);
    }
  }

  /** @param {boolean} isPaused */
  #pause(isPaused) {
    this.#isPaused = isPaused;
    const held = this.#held;
    if (!isPaused) {
      this.#held = [];
      this.#show(held);
    }
    this.#tellHeld();
  }

  #tellHeld() {
    const count = this.#held.length ? ` (${this.#held.length})` : '';
    const word = this.#isPaused ? `Go on${count}` : 'Pause';
    find(this.root, '[data-pause]', HTMLElement).textContent = word;
  }

  #tellEmpty() {
    find(this.root, '[data-empty]', HTMLElement).hidden = this.log.children.length > 0;
  }

  /** @param {Event} event */
  #act(event) {
    const button = event.target instanceof Element ? event.target.closest('button') : null;
    const row = button?.closest('li');
    const message = row && this.#messages.get(row);
    if (!button || !message) return;
    if (button.matches('[data-copy-frame]')) void copyFrom(button, message.text);
    else this.again(message.text);
  }
}

/** A time of day to the millisecond. @param {Date} at */
function clockTime(at) {
  return `${at.toTimeString().slice(0, 8)}.${String(at.getMilliseconds()).padStart(3, '0')}`;
}
