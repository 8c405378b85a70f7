import { clone, find } from '../dom.js';
import { fillAge, fillByline, fillCard, fillText } from '../post-card.js';
import { EditForm } from '../edit-form.js';

/** @import { PendingPost } from '../client/outbox.js' */
/** @import { Post } from '../client/wire.js' */
/** @import { RoomContext } from './pg-room.js' */

/** One card of the feed: a post, or a post of ours that is still on its way. */
export class PgPost extends HTMLElement {
  /** @type {RoomContext | null} */
  #context = null;
  /** @type {Post | null} */
  #post = null;
  /** @type {PendingPost | null} */
  #pending = null;
  /** @type {EditForm | null} */
  #edit = null;
  /** Object URLs of a pending post's pictures, freed when it is one no more.
   * @type {string[]} */
  #objectUrls = [];

  constructor() {
    super();
    this.addEventListener('click', (event) => this.#clicked(event));
  }

  disconnectedCallback() {
    // A card that is only moved comes back at once.
    queueMicrotask(() => {
      if (!this.isConnected) this.#freePictures();
    });
  }

  get post() {
    return this.#post;
  }

  /**
   * @param {RoomContext} context
   * @param {Post} post
   */
  show(context, post) {
    this.#context = context;
    this.#post = post;
    const previews = this.#pending ? this.#settle() : [];
    fillCard(this, context.templates, post, context.viewer);
    this.#keepPreviews(previews);
    if (this.#edit) find(this, '[data-text]', HTMLElement).hidden = true;
  }

  /**
   * @param {RoomContext} context
   * @param {PendingPost} pending
   */
  showPending(context, pending) {
    const isNew = this.#pending !== pending;
    this.#context = context;
    this.#pending = pending;
    this.dataset.seq = 'Infinity';
    this.classList.add('post--pending');
    this.classList.toggle('post--failed', pending.status === 'failed');
    if (isNew) this.#fillPending(pending);
    this.#fillStatus(pending);
  }

  /** @param {number} now */
  tick(now) {
    fillAge(this, now);
  }

  focusOn() {
    find(this, 'article', HTMLElement).focus({ preventScroll: true });
  }

  /** @param {PendingPost} pending */
  #fillPending({ text, pictures, createdAt }) {
    const { room, templates } = /** @type {RoomContext} */ (this.#context);
    fillText(this, text);
    this.classList.toggle('post--words', pictures.length === 0);
    if (room.user) {
      const created_at = new Date(createdAt).toISOString();
      fillByline(this, { author: room.user, created_at, edited_at: null });
    }
    const place = find(this, '[data-pictures]', HTMLElement);
    place.dataset.count = String(pictures.length);
    place.hidden = pictures.length === 0;
    for (const { file, alt } of pictures) {
      const figure = clone(templates, 'template[data-picture]', HTMLElement);
      const image = find(figure, 'img', HTMLImageElement);
      const url = URL.createObjectURL(file);
      this.#objectUrls.push(url);
      find(figure, 'a', HTMLAnchorElement).removeAttribute('href');
      image.loading = 'eager';
      image.src = url;
      image.alt = alt;
      place.append(figure);
    }
    this.querySelector('.post__body')?.append(
      clone(templates, 'template[data-status]', HTMLElement),
    );
  }

  /** @param {PendingPost} pending */
  #fillStatus({ status, progress, message, pictures }) {
    const isUploading = status === 'sending' && pictures.length > 0 && progress < 1;
    const words = {
      sending: isUploading ? `Sending ${Math.round(progress * 100)} %` : 'Sending…',
      waiting: message || 'No answer yet; trying again…',
      failed: message ? `Not posted. ${message}` : 'Not posted: nobody answers.',
    };
    find(this, '[data-status-text]', HTMLElement).textContent = words[status];
    const bar = find(this, 'progress', HTMLProgressElement);
    bar.hidden = !isUploading;
    bar.value = progress;
    find(this, '[data-resend]', HTMLElement).hidden = status === 'sending';
    find(this, '[data-discard]', HTMLElement).hidden = status === 'sending' && !isUploading;
  }

  /**
   * From a pending post to a post.
   * @returns {string[]} the object URLs of its pictures, which are the caller's now
   */
  #settle() {
    const previews = this.#objectUrls;
    this.#objectUrls = [];
    this.#pending = null;
    this.classList.remove('post--pending', 'post--failed');
    this.querySelector('.post__status')?.remove();
    find(this, '[data-pictures]', HTMLElement).replaceChildren();
    return previews;
  }

  /** Shows our own files until the server's pictures are there. @param {string[]} previews */
  #keepPreviews(previews) {
    const images = this.querySelectorAll('img');
    for (const [index, url] of previews.entries()) {
      const image = images[index];
      const free = () => {
        image?.style.removeProperty('background');
        URL.revokeObjectURL(url);
      };
      if (!image) return free();
      image.style.setProperty('background', `center / cover url("${url}")`);
      image.addEventListener('load', free, { once: true });
      image.addEventListener('error', free, { once: true });
    }
  }

  #freePictures() {
    for (const url of this.#objectUrls) URL.revokeObjectURL(url);
    this.#objectUrls = [];
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const context = this.#context;
    const target = event.target instanceof Element ? event.target : null;
    const button = target?.closest('button');
    if (!context || !target) return;
    if (this.#pending && button) {
      if ('resend' in button.dataset) context.room.outbox.retry(this.#pending.clientId);
      if ('discard' in button.dataset) context.room.outbox.discard(this.#pending.clientId);
    } else if (this.#post && button) {
      this.#pressed(context, this.#post, button);
    } else if (this.#post && target.closest('.picture__link')) {
      this.#openPicture(context, this.#post, event, target);
    }
  }

  /**
   * @param {RoomContext} context
   * @param {Post} post
   * @param {HTMLButtonElement} button
   */
  #pressed(context, post, button) {
    if ('edit' in button.dataset) this.#openEdit(context, post);
    else if ('delete' in button.dataset) void context.deletePost(post.id);
    else if ('reaction' in button.dataset) context.react(post.id, button.value);
    else if ('react' in button.dataset) context.pickReaction(post.id, button);
  }

  /**
   * @param {RoomContext} context
   * @param {Post} post
   * @param {MouseEvent} event
   * @param {Element} target
   */
  #openPicture(context, post, event, target) {
    // New tabs and windows are the reader's own choice.
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    const figures = [...this.querySelectorAll('figure')];
    const figure = target.closest('figure');
    context.lightbox.open(post.images, figure ? figures.indexOf(figure) : 0);
  }

  /**
   * @param {RoomContext} context
   * @param {Post} post
   */
  #openEdit(context, post) {
    if (this.#edit) return;
    const text = find(this, '[data-text]', HTMLElement);
    this.#edit = new EditForm(context.templates, post, {
      save: (changes) => context.room.edit(post.id, changes),
      close: () => {
        this.#edit?.element.remove();
        this.#edit = null;
        this.classList.remove('post--editing');
        fillText(this, this.#post?.text ?? '');
        find(this, '[data-edit]', HTMLElement).focus();
      },
    });
    this.classList.add('post--editing');
    text.hidden = true;
    text.after(this.#edit.element);
    this.#edit.focus();
  }
}

customElements.define('pg-post', PgPost);
