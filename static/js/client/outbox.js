import { Backoff } from './backoff.js';
import { newClientId } from './client-id.js';
import { Emitter } from './emitter.js';
import { CancelledError, NoAnswerError, RefusedError } from './errors.js';

/** @import { Clock } from './clock.js' */
/** @import { Post, Tombstone } from './wire.js' */

/**
 * A post of ours that the server has not confirmed yet.
 * @typedef {object} PendingPost
 * @property {string} clientId
 * @property {string} text
 * @property {{ file: Blob, alt: string }[]} pictures
 * @property {'sending' | 'waiting' | 'failed'} status waiting: it asks again by itself
 * @property {number} progress of the upload, 0 to 1
 * @property {string} message what the server said against it
 * @property {number} createdAt in the clock's milliseconds
 */

/**
 * @typedef {object} OutboxEvents
 * @property {PendingPost} changed added, or in another state than before
 * @property {{ pending: PendingPost, post: Post | Tombstone | null }} ended sent, or given up
 */

/**
 * @callback Create
 * @param {PendingPost} pending
 * @param {{ onProgress: (share: number) => void, signal: AbortSignal }} options
 * @returns {Promise<Post | Tombstone>}
 */

/** Attempts without an answer, and refusals that may pass, before the person is asked. */
const ATTEMPTS_MAX = 6;

/**
 * What we have said and nobody has confirmed. No answer is not a failure: the same post is asked
 * for again under the same client_id, which makes no second one.
 * @extends {Emitter<OutboxEvents>}
 */
export class Outbox extends Emitter {
  /** @type {Map<string, { pending: PendingPost, attempts: number, backoff: Backoff,
   *   timer: number | null, abort: AbortController, isUnknown: boolean }>} */
  #items = new Map();

  /**
   * @param {object} options
   * @param {Create} options.create
   * @param {Clock} options.clock
   */
  constructor({ create, clock }) {
    super();
    this.create = create;
    this.clock = clock;
  }

  /** Oldest first. */
  pending() {
    return [...this.#items.values()].map(({ pending }) => pending);
  }

  /**
   * @param {{ text: string, pictures: { file: Blob, alt: string }[] }} draft
   * @returns {PendingPost}
   */
  send({ text, pictures }) {
    /** @type {PendingPost} */
    const pending = {
      clientId: newClientId(),
      text,
      pictures,
      status: 'sending',
      progress: 0,
      message: '',
      createdAt: this.clock.now(),
    };
    const backoff = new Backoff({ random: this.clock.random });
    const abort = new AbortController();
    this.#items.set(pending.clientId, {
      pending,
      attempts: 0,
      backoff,
      timer: null,
      abort,
      isUnknown: false,
    });
    void this.#attempt(pending.clientId);
    return pending;
  }

  /** Asks again for a failed post, under its old client_id. @param {string} clientId */
  retry(clientId) {
    const item = this.#items.get(clientId);
    if (!item || item.pending.status === 'sending') return;
    this.clock.clearTimeout(item.timer);
    item.attempts = 0;
    item.backoff.reset();
    void this.#attempt(clientId);
  }

  /** Asks again for everything whose outcome is unknown: the server can be reached again. */
  retryUnknown() {
    for (const [clientId, { isUnknown }] of this.#items) if (isUnknown) this.retry(clientId);
  }

  /** Gives a post up. It may have been stored all the same. @param {string} clientId */
  discard(clientId) {
    this.#end(clientId, null);
  }

  /** Hears of a post that came another way, as an event. @param {Post} post */
  confirm(post) {
    this.#end(post.client_id, post);
  }

  /** @param {string} clientId */
  async #attempt(clientId) {
    const item = this.#items.get(clientId);
    if (!item) return;
    const { pending } = item;
    item.attempts += 1;
    this.#change(pending, { status: 'sending', progress: 0, message: '' });
    try {
      const post = await this.create(pending, {
        onProgress: (progress) => this.#change(pending, { progress }),
        signal: item.abort.signal,
      });
      this.#end(clientId, post);
    } catch (error) {
      if (!this.#items.has(clientId) || error instanceof CancelledError) return;
      this.#failed(item, error);
    }
  }

  /**
   * @param {NonNullable<ReturnType<Map<string, any>['get']>>} item
   * @param {unknown} error
   */
  #failed(item, error) {
    const { pending } = item;
    const mayPass = error instanceof NoAnswerError || (error instanceof RefusedError && error.isPassing);
    // A fault of the server says nothing about what became of the post either.
    item.isUnknown = mayPass && !(error instanceof RefusedError && error.status < 500);
    const message = error instanceof RefusedError ? explain(error) : '';
    if (!mayPass || item.attempts >= ATTEMPTS_MAX) {
      this.#change(pending, { status: 'failed', message });
      return;
    }
    this.#change(pending, { status: 'waiting', message });
    const asked = error instanceof RefusedError ? (error.retryAfterMs ?? 0) : 0;
    const waitMs = Math.max(asked, item.backoff.nextMs());
    item.timer = this.clock.setTimeout(() => void this.#attempt(pending.clientId), waitMs);
  }

  /**
   * @param {PendingPost} pending
   * @param {Partial<PendingPost>} changes
   */
  #change(pending, changes) {
    if (!this.#items.has(pending.clientId)) return;
    this.emit('changed', Object.assign(pending, changes));
  }

  /**
   * @param {string} clientId
   * @param {Post | Tombstone | null} post
   */
  #end(clientId, post) {
    const item = this.#items.get(clientId);
    if (!item) return;
    this.#items.delete(clientId);
    this.clock.clearTimeout(item.timer);
    item.abort.abort();
    this.emit('ended', { pending: item.pending, post });
  }
}

/** @param {RefusedError} error */
function explain(error) {
  return [error.message, ...Object.values(error.fields)].join(' ');
}
