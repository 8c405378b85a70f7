import { clone, find, Ties } from '../dom.js';
import { CardList } from '../card-list.js';
import { ReactionPicker } from '../reaction-picker.js';
import { PgPost } from './pg-post.js';

/** @import { Post } from '../client/wire.js' */
/** @import { RoomContext } from './pg-room.js' */

const TICK_MS = 30_000;
/** Older posts are asked for this far before their end comes into view. */
const AHEAD = '1600px 0px';
/** Scrolled further than this past the newest post, new ones wait behind a button. */
const READING_PX = 160;
const SAID_MAX = 140;

/** The posts of a room, newest first. */
export class PgFeed extends HTMLElement {
  #ties = new Ties();
  /** @type {RoomContext | null} */
  #context = null;
  /** Posts that came while the reader was further down.
   * @type {Map<string, Post>} */
  #held = new Map();

  disconnectedCallback() {
    this.#ties.cut();
  }

  /** @param {RoomContext} context */
  connect(context) {
    this.#context = context;
    const { room } = context;
    const { signal } = this.#ties;
    this.list = new CardList(find(this, '[data-list]', HTMLElement), () =>
      clone(this, 'template[data-post]', PgPost),
    );
    for (const post of room.store.posts()) this.list.adopt(context, post);
    this.picker = new ReactionPicker(find(this, '[data-picker]', HTMLElement), context, signal);
    for (const end of [
      room.store.on('inserted', ({ post, isLive }) => this.#inserted(post, isLive)),
      room.store.on('updated', ({ post }) => this.#updated(post)),
      room.store.on('removed', ({ post, isGone }) => this.#removed(post, isGone)),
      room.outbox.on('changed', (pending) => {
        this.list?.putPending(context, pending);
        this.#showEnds();
      }),
      room.outbox.on('ended', ({ pending, post }) => {
        const willFollow = post && 'author' in post && room.store.get(post.id);
        if (!willFollow || this.list?.has(post.id)) this.list?.removePending(pending.clientId);
        this.#showEnds();
      }),
    ]) {
      this.#ties.add(end);
    }
    find(this, '[data-new]', HTMLElement).addEventListener('click', () => this.#showHeld(true), {
      signal,
    });
    window.addEventListener('scroll', () => this.#scrolled(), { signal, passive: true });
    this.#ties.every(() => this.list?.tick(Date.now()), TICK_MS);
    this.list.tick(Date.now());
    this.#loadOnScroll(context);
    this.#showEnds();
  }

  /** @param {RoomContext} context */
  #loadOnScroll(context) {
    const more = find(this, '[data-more]', HTMLElement);
    const word = find(this, '[data-more-word]', HTMLElement);
    const link = find(this, '[data-older]', HTMLAnchorElement);
    // The button stays for those who got an error, and does without a new page what it did before.
    link.hidden = true;
    const observer = new IntersectionObserver(
      async (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        observer.unobserve(more);
        word.textContent = 'Loading older posts…';
        try {
          await context.room.loadOlder();
          word.textContent = '';
          link.hidden = true;
          this.#showEnds();
          observer.observe(more);
        } catch {
          word.textContent = 'The older posts could not be loaded.';
          link.textContent = 'Try again';
          link.hidden = false;
        }
      },
      { rootMargin: AHEAD },
    );
    link.addEventListener(
      'click',
      (event) => {
        event.preventDefault();
        observer.observe(more);
      },
      { signal: this.#ties.signal },
    );
    observer.observe(more);
    this.#ties.add(() => observer.disconnect());
  }

  get #isReading() {
    return (this.list?.element.getBoundingClientRect().top ?? 0) < -READING_PX;
  }

  /**
   * @param {Post} post
   * @param {boolean} isLive
   */
  #inserted(post, isLive) {
    const context = /** @type {RoomContext} */ (this.#context);
    const isOurs = post.author.id === context.viewer.userId;
    if (isLive && !isOurs) this.#announce(post);
    if (isLive && !isOurs && this.#isReading) {
      this.#held.set(post.id, post);
      this.#showHeldCount();
      return;
    }
    const card = this.list?.put(context, post);
    if (isLive && !isOurs) card?.classList.add('post--arriving');
    this.#showEnds();
  }

  /** @param {Post} post */
  #updated(post) {
    if (this.#held.has(post.id)) this.#held.set(post.id, post);
    else if (this.#context) this.list?.put(this.#context, post);
  }

  /**
   * @param {Post} post
   * @param {boolean} isGone
   */
  #removed(post, isGone) {
    if (this.#held.delete(post.id)) this.#showHeldCount();
    this.list?.remove(post.id);
    const context = /** @type {RoomContext} */ (this.#context);
    if (isGone && context.ownDeletions.has(post.id)) {
      this.list?.putGone(post, clone(this, 'template[data-gone]', HTMLElement), context);
    }
    this.#showEnds();
  }

  /** @param {boolean} isAsked whether the reader pressed the button */
  #showHeld(isAsked) {
    const context = /** @type {RoomContext} */ (this.#context);
    const posts = [...this.#held.values()].sort((a, b) => a.seq - b.seq);
    this.#held.clear();
    this.#showHeldCount();
    let card;
    for (const post of posts) card = this.list?.put(context, post);
    if (!isAsked) return;
    window.scrollTo({ top: 0 });
    card?.focusOn();
  }

  #showHeldCount() {
    const count = this.#held.size;
    find(this, '[data-new]', HTMLElement).hidden = count === 0;
    find(this, '[data-new-count]', HTMLElement).textContent =
      count === 1 ? '1 new post' : `${count} new posts`;
  }

  #scrolled() {
    if (this.#held.size && !this.#isReading) this.#showHeld(false);
  }

  /** @param {Post} post */
  #announce({ author, text, images }) {
    const what = text.slice(0, SAID_MAX) || images.map(({ alt }) => alt).join(', ') || 'a picture';
    find(this, '[data-announcement]', HTMLElement).textContent = `@${author.username}: ${what}`;
  }

  #showEnds() {
    const store = this.#context?.room.store;
    if (!store || !this.list) return;
    const isEmpty = this.list.isEmpty;
    find(this, '[data-empty]', HTMLElement).hidden = !isEmpty || store.hasOlder;
    find(this, '[data-more]', HTMLElement).hidden = !store.hasOlder;
    find(this, '[data-end]', HTMLElement).hidden = isEmpty || store.hasOlder;
  }
}

customElements.define('pg-feed', PgFeed);
