import { find } from './dom.js';
import { PgPost } from './elements/pg-post.js';

/** @import { PendingPost } from './client/outbox.js' */
/** @import { Post } from './client/wire.js' */
/** @import { RoomContext } from './elements/pg-room.js' */

/** The cards on the page, each at the place that its post's seq gives it, pending ones on top. */
export class CardList {
  /** By post id, or by "pending:" and client_id.
   * @type {Map<string, PgPost>} */
  #cards = new Map();
  /** What is left of our own deleted posts, by post id.
   * @type {Map<string, HTMLElement>} */
  #gone = new Map();

  /**
   * @param {HTMLElement} element
   * @param {() => PgPost} newCard
   */
  constructor(element, newCard) {
    this.element = element;
    this.newCard = newCard;
  }

  get isEmpty() {
    return this.#cards.size + this.#gone.size === 0;
  }

  /** @param {string} id */
  has(id) {
    return this.#cards.has(id);
  }

  /**
   * Takes over the card that the server rendered for a post.
   * @param {RoomContext} context
   * @param {Post} post
   */
  adopt(context, post) {
    const card = this.element.querySelector(`[data-post-id="${CSS.escape(post.id)}"]`);
    if (card instanceof PgPost) this.#cards.set(post.id, card);
    this.put(context, post);
  }

  /**
   * Shows a post; one that was pending keeps its card.
   * @param {RoomContext} context
   * @param {Post} post
   */
  put(context, post) {
    const pendingKey = `pending:${post.client_id}`;
    const isOurs = post.author.id === context.viewer.userId;
    let card = this.#cards.get(post.id);
    const isNew = !card;
    card ??= (isOurs && this.#cards.get(pendingKey)) || this.newCard();
    if (isOurs) this.#cards.delete(pendingKey);
    this.#cards.set(post.id, card);
    card.show(context, post);
    if (isNew) this.#place(card, post.seq);
    this.#gone.get(post.id)?.remove();
    this.#gone.delete(post.id);
    return card;
  }

  /** @param {string} id */
  remove(id) {
    this.#cards.get(id)?.remove();
    this.#cards.delete(id);
  }

  /**
   * @param {RoomContext} context
   * @param {PendingPost} pending
   */
  putPending(context, pending) {
    const key = `pending:${pending.clientId}`;
    const card = this.#cards.get(key) ?? this.newCard();
    card.showPending(context, pending);
    if (this.#cards.has(key)) return;
    this.#cards.set(key, card);
    this.element.prepend(card);
  }

  /** @param {string} clientId */
  removePending(clientId) {
    this.remove(`pending:${clientId}`);
  }

  /**
   * Leaves a line in the place of a deleted post, with a way back for as long as there is one.
   * @param {Post} post
   * @param {HTMLElement} line
   * @param {RoomContext} context
   */
  putGone(post, line, context) {
    const forget = () => {
      clearTimeout(timer);
      line.remove();
      this.#gone.delete(post.id);
    };
    line.dataset.seq = String(post.seq);
    this.#gone.set(post.id, line);
    this.#place(line, post.seq);
    const undo = find(line, '[data-undo]', HTMLButtonElement);
    undo.addEventListener('click', () => void context.restorePost(post.id));
    find(line, '[data-dismiss]', HTMLElement).addEventListener('click', forget);
    const timer = setTimeout(forget, context.limits.undo_minutes * 60_000);
    context.signal.addEventListener('abort', () => clearTimeout(timer));
    undo.focus({ preventScroll: true });
  }

  /** @param {number} now */
  tick(now) {
    for (const card of this.#cards.values()) card.tick(now);
  }

  /**
   * @param {HTMLElement} element
   * @param {number} seq
   */
  #place(element, seq) {
    const { children } = this.element;
    // Posts come at either end: new ones below what is pending, older ones page by page.
    let index = 0;
    if (seq > seqOf(children[children.length >> 1])) {
      while (seqOf(children[index]) > seq) index += 1;
    } else {
      index = children.length;
      while (index > 0 && seqOf(children[index - 1]) < seq) index -= 1;
    }
    const before = children[index] ?? null;
    if (!element.isConnected || element.nextElementSibling !== before) {
      this.element.insertBefore(element, before === element ? before.nextSibling : before);
    }
  }
}

/** @param {Element | undefined} element */
function seqOf(element) {
  return Number(element instanceof HTMLElement ? element.dataset.seq : 0);
}
