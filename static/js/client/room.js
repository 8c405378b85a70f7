import { Backoff } from './backoff.js';
import { systemClock } from './clock.js';
import { ConnectionState } from './connection-state.js';
import { Emitter } from './emitter.js';
import { NoAnswerError, RefusedError } from './errors.js';
import { Outbox } from './outbox.js';
import { hasReacted, withReaction } from './reactions.js';
import { RoomStore } from './room-store.js';

/** @import { Api } from './api.js' */
/** @import { Clock } from './clock.js' */
/** @import { Connection } from './connection.js' */
/** @import { Gap } from './subscriptions.js' */
/** @import { Page, Person, Post } from './wire.js' */

/**
 * @typedef {object} RoomEvents
 * @property {{ reason: string }} lost the room is not ours to see any more
 */

const PAGE_SIZE = 30;
/** The API's own limit, and how much of a long scroll a refetch brings back. */
const REFETCH_SIZE = 100;
const REFETCH_PAGES_MAX = 3;

/**
 * One room as a person uses it: its posts kept up to date over any connection, and what one can
 * do with them. Writing goes over REST, which works whatever the state of the socket.
 * @extends {Emitter<RoomEvents>}
 */
export class Room extends Emitter {
  /** @type {(() => void)[]} */
  #endings = [];
  /** @type {Promise<boolean> | null} */
  #loading = null;
  /** @type {number | null} */
  #refetchTimer = null;
  #isRefetching = false;
  /** Reactions go out one after the other, so that the last press is the last word.
   * @type {Promise<unknown>} */
  #reacting = Promise.resolve();
  /** The last gap not yet filled.
   * @type {Gap | null} */
  #gap = null;

  /**
   * @param {object} options
   * @param {Page} options.page the newest posts, as the page was rendered with
   * @param {Person | null} options.user
   * @param {Api} options.api
   * @param {Connection} options.connection
   * @param {Clock} [options.clock]
   */
  constructor({ page, user, api, connection, clock = systemClock }) {
    super();
    this.slug = page.room;
    this.user = user;
    this.api = api;
    this.connection = connection;
    this.clock = clock;
    this.backoff = new Backoff({ random: clock.random });
    this.store = new RoomStore(page);
    this.outbox = new Outbox({
      clock,
      create: (pending, options) => api.createPost(this.slug, pending, options),
    });
  }

  /** Begins to follow the room. */
  open() {
    const { connection, store, outbox } = this;
    this.#endings = [
      connection.subscribe({
        room: this.slug,
        position: () => store.position,
        deliver: (event) => store.apply(event),
        gap: (gap) => this.#fill(gap),
        lose: (reason) => this.emit('lost', { reason }),
      }),
      // client_id is unique per author only.
      store.on('inserted', ({ post }) => {
        if (post.author.id === this.user?.id) outbox.confirm(post);
      }),
      outbox.on('ended', ({ post }) => {
        if (post && 'author' in post) store.confirm(post);
      }),
      connection.on('transition', ({ to }) => {
        if (to === ConnectionState.LIVE || to === ConnectionState.POLLING) outbox.retryUnknown();
      }),
    ];
  }

  close() {
    for (const end of this.#endings) end();
    this.#endings = [];
    this.clock.clearTimeout(this.#refetchTimer);
    this.#gap = null;
  }

  /**
   * Loads the next older page; calls that meet share one.
   * @returns {Promise<boolean>} whether there is still more
   */
  loadOlder() {
    this.#loading ??= this.#loadOlder().finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #loadOlder() {
    if (!this.store.hasOlder) return false;
    const { oldestSeq } = this.store;
    const beforeSeq = Number.isFinite(oldestSeq) ? oldestSeq : undefined;
    const page = await this.api.listPosts(this.slug, { beforeSeq, limit: PAGE_SIZE });
    // While a gap is open the stretch is about to be replaced; the next call asks again.
    if (!this.#gap && !this.store.mergeOlder(page)) {
      throw new NoAnswerError('The page does not fit what came meanwhile');
    }
    return this.store.hasOlder;
  }

  /** @param {{ text: string, pictures: { file: Blob, alt: string }[] }} draft */
  send(draft) {
    return this.outbox.send(draft);
  }

  /**
   * @param {string} id
   * @param {{ text?: string, alts?: string[] }} changes
   */
  async edit(id, changes) {
    const version = this.store.versionOf(id);
    this.store.suppose(await this.api.editPost(id, changes), version);
  }

  /** @param {string} id */
  async remove(id) {
    await this.api.deletePost(id);
    this.store.drop(id);
  }

  /** Takes a deletion back; the post comes as an event. @param {string} id */
  async restore(id) {
    await this.api.restorePost(id);
    // Where nothing pushes, it would be seen only with the next poll.
    this.connection.poller.hurry();
  }

  /**
   * Shows the reaction at once, and takes it back if the server refuses it.
   * @param {string} id
   * @param {string} emoji
   */
  async toggleReaction(id, emoji) {
    const post = this.store.get(id);
    if (!post || !this.user) return;
    const isAdded = !hasReacted(post, emoji, this.user.id);
    this.#supposeReaction(id, emoji, isAdded);
    const ask = () =>
      isAdded ? this.api.addReaction(id, emoji) : this.api.removeReaction(id, emoji);
    const answer = this.#reacting.then(ask);
    this.#reacting = answer.catch(() => {});
    try {
      await answer;
    } catch (error) {
      this.#supposeReaction(id, emoji, !isAdded);
      throw error;
    }
  }

  /**
   * @param {string} id
   * @param {string} emoji
   * @param {boolean} isAdded
   */
  #supposeReaction(id, emoji, isAdded) {
    const post = this.store.get(id);
    if (!post || !this.user || hasReacted(post, emoji, this.user.id) === isAdded) return;
    const change = { emoji, user_id: this.user.id };
    this.store.suppose(withReaction(post, change, isAdded), this.store.versionOf(id));
  }

  /** @param {Gap} gap */
  #fill(gap) {
    this.store.moveTo(gap);
    this.#gap = gap;
    if (!this.#isRefetching) void this.#refetch();
  }

  /** Reads again what is loaded, keeping the old view until the new one is there. */
  async #refetch() {
    this.#isRefetching = true;
    const gap = this.#gap;
    let isFilled = false;
    try {
      isFilled = this.store.replace(await this.#readPages(this.store.size));
      this.backoff.reset();
    } catch (error) {
      // A room that is gone is told by the connection; anything else passes.
      if (error instanceof RefusedError && !error.isPassing) this.#gap = null;
    }
    this.#isRefetching = false;
    if (isFilled && this.#gap === gap) this.#gap = null;
    if (!this.#gap) return;
    this.#refetchTimer = this.clock.setTimeout(() => {
      if (this.#gap) void this.#refetch();
    }, this.backoff.nextMs());
  }

  /** @param {number} count of posts wanted */
  async #readPages(count) {
    const pages = [];
    /** @type {number | undefined} */
    let beforeSeq;
    let wanted = Math.max(count, PAGE_SIZE);
    do {
      const limit = Math.min(wanted, REFETCH_SIZE);
      const page = await this.api.listPosts(this.slug, { beforeSeq, limit });
      pages.push(page);
      wanted -= page.results.length;
      beforeSeq = page.results.at(-1)?.seq;
      if (page.next === null) break;
    } while (wanted > 0 && pages.length < REFETCH_PAGES_MAX);
    return pages;
  }
}
