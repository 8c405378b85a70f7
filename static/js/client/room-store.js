import { Emitter } from './emitter.js';
import { withReaction } from './reactions.js';
import { Fit } from './subscriptions.js';

/** @import { FitName } from './subscriptions.js' */
/** @import { Page, Position, Post, RoomEvent } from './wire.js' */

/**
 * @typedef {object} StoreEvents
 * @property {{ post: Post, isLive: boolean }} inserted isLive: it was made just now
 * @property {{ post: Post }} updated
 * @property {{ post: Post, isGone: boolean }} removed isGone: deleted or hidden, not just unloaded
 * @property {RoomEvent} other an event that is not about posts
 */

/** Events kept to bring a page up to date that was read before they came. */
const RECENT_MAX = 500;

/**
 * The posts of a room as far as they are loaded: a contiguous stretch up to the newest, brought
 * forward by events. Pure: it knows neither the network nor the page.
 *
 * Every post carries a version, the position at which its state was read or changed; an event at
 * or below it is known already. So pages and events may cross in any order.
 * @extends {Emitter<StoreEvents>}
 */
export class RoomStore extends Emitter {
  /** @type {Map<string, { post: Post, version: number }>} */
  #entries = new Map();
  /** The last events, without a hole.
   * @type {RoomEvent[]} */
  #recent = [];
  /** @type {Position} */
  #position;
  hasOlder = true;

  /** @param {Page} page the newest posts */
  constructor(page) {
    super();
    this.#position = { epoch: page.epoch, seq: page.seq };
    this.hasOlder = page.next !== null;
    for (const post of page.results) this.#entries.set(post.id, { post, version: page.seq });
  }

  /** @returns {Position} */
  get position() {
    return { ...this.#position };
  }

  /** @param {string} id */
  get(id) {
    return this.#entries.get(id)?.post ?? null;
  }

  /** A mark that changes whenever the server's word about the post does. @param {string} id */
  versionOf(id) {
    return this.#entries.get(id)?.version ?? 0;
  }

  /** Newest first. */
  posts() {
    return [...this.#entries.values()].map(({ post }) => post).sort((a, b) => b.seq - a.seq);
  }

  get size() {
    return this.#entries.size;
  }

  /** The seq of the oldest loaded post; Infinity when there is none. */
  get oldestSeq() {
    let oldest = Infinity;
    for (const { post } of this.#entries.values()) oldest = Math.min(oldest, post.seq);
    return oldest;
  }

  /**
   * Applies an event if it is the next one.
   * @param {RoomEvent} event
   * @returns {FitName}
   */
  apply(event) {
    if (event.epoch !== this.#position.epoch) return Fit.HOLE;
    if (event.seq <= this.#position.seq) return Fit.OLD;
    if (event.seq > this.#position.seq + 1) return Fit.HOLE;
    this.#position.seq = event.seq;
    this.#recent.push(event);
    if (this.#recent.length > RECENT_MAX) this.#recent.shift();
    this.#reduce(event, true);
    return Fit.NEXT;
  }

  /**
   * Goes on from another position: what lies between is not known and must be refetched.
   * @param {Position} position
   */
  moveTo({ epoch, seq }) {
    this.#recent = [];
    // Versions of another log say nothing about this one.
    if (epoch !== this.#position.epoch) for (const entry of this.#entries.values()) entry.version = 0;
    this.#position = { epoch, seq };
  }

  /**
   * Adds the page that follows the oldest post.
   * @param {Page} page
   * @returns {boolean} false when the page is of another log or too old to be brought up to date
   */
  mergeOlder(page) {
    if (!this.#canBringForward(page)) return false;
    for (const post of page.results) this.#put(post, page.seq);
    this.hasOlder = page.next !== null;
    this.#bringForward(page.seq);
    return true;
  }

  /**
   * Replaces what is loaded by freshly read pages, newest first and without a hole between them.
   * What is the same stays untouched; what is older than they reach is unloaded.
   * @param {Page[]} pages
   * @returns {boolean} false as for mergeOlder
   */
  replace(pages) {
    const last = pages.at(-1);
    if (!last || !pages.every((page) => this.#canBringForward(page))) return false;
    const found = new Set(pages.flatMap((page) => page.results.map(({ id }) => id)));
    const readAt = Math.min(...pages.map((page) => page.seq));
    const reach = last.next === null ? 0 : (last.results.at(-1)?.seq ?? 0);
    for (const { post, version } of [...this.#entries.values()]) {
      if (!found.has(post.id) && version <= readAt) this.#remove(post, post.seq >= reach);
    }
    for (const page of pages) for (const post of page.results) this.#put(post, page.seq);
    this.hasOlder = last.next !== null;
    this.#bringForward(readAt);
    return true;
  }

  /**
   * Takes the answer to a create, whose event may have come before or be still to come.
   * @param {Post} post
   */
  confirm(post) {
    if (!this.#entries.has(post.id) && post.seq > this.#position.seq) this.#put(post, post.seq);
  }

  /**
   * Shows a post as an answer says that it is, or as we expect it to be. The next event about it
   * has the last word.
   * @param {Post} post
   * @param {number} version from before the question; a post changed since is left alone
   */
  suppose(post, version) {
    const entry = this.#entries.get(post.id);
    if (!entry || entry.version !== version) return;
    entry.post = post;
    this.emit('updated', { post });
  }

  /** Takes a post away that the server says is gone. @param {string} id */
  drop(id) {
    const entry = this.#entries.get(id);
    if (entry) this.#remove(entry.post, true);
  }

  /** @param {Page} page */
  #canBringForward(page) {
    const missing = this.#position.seq - page.seq;
    return page.epoch === this.#position.epoch && missing <= this.#recent.length;
  }

  /** @param {number} seq */
  #bringForward(seq) {
    for (const event of this.#recent) {
      // Posts made since are here already, or gone again.
      if (event.seq > seq && event.type !== 'post.created') this.#reduce(event, false);
    }
  }

  /**
   * @param {RoomEvent} event
   * @param {boolean} isLive whether it comes for the first time
   */
  #reduce({ type, seq, data, ...event }, isLive) {
    const entry = this.#entries.get(data?.post_id ?? data?.id);
    if (entry && entry.version >= seq) return;
    if (type === 'reaction.added' || type === 'reaction.removed') {
      if (entry) this.#put(withReaction(entry.post, data, type === 'reaction.added'), seq);
    } else if (type.startsWith('post.')) {
      // The type says what happened, the data what is true: a replay may carry a tombstone.
      if (data.deleted || data.hidden) {
        if (entry) this.#remove(entry.post, true);
      } else if (entry || this.#isInReach(type, data)) {
        this.#put(data, seq, isLive && type === 'post.created');
      }
    } else if (isLive) {
      this.emit('other', { type, seq, data, ...event });
    }
  }

  /**
   * Whether an unknown post belongs to the loaded stretch; an older one comes with its page.
   * @param {string} type
   * @param {Post} post
   */
  #isInReach(type, post) {
    return type === 'post.created' || !this.hasOlder || post.seq > this.oldestSeq;
  }

  /**
   * @param {Post} post
   * @param {number} version
   * @param {boolean} [isLive]
   */
  #put(post, version, isLive = false) {
    const entry = this.#entries.get(post.id);
    if (entry && entry.version > version) return;
    this.#entries.set(post.id, { post, version });
    if (!entry) this.emit('inserted', { post, isLive });
    else if (JSON.stringify(entry.post) !== JSON.stringify(post)) this.emit('updated', { post });
  }

  /**
   * @param {Post} post
   * @param {boolean} isGone
   */
  #remove(post, isGone) {
    this.#entries.delete(post.id);
    this.emit('removed', { post, isGone });
  }
}
