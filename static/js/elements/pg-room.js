import { Api, Connection, ConnectionState, RefusedError, Room } from '../client/index.js';
import { find, Ties } from '../dom.js';
import { PgComposer } from './pg-composer.js';
import { PgConnection } from './pg-connection.js';
import { PgFeed } from './pg-feed.js';
import { PgLightbox } from './pg-lightbox.js';
import { PgToasts } from './pg-toasts.js';

/** @import { PictureLimits } from '../files.js' */
/** @import { Viewer } from '../post-card.js' */
/** @import { Page, Person, RoomEvent } from '../client/wire.js' */

/** The close code for who may not, or may no longer, be here. */
const NOT_ALLOWED = 4003;

/**
 * What the server puts into the page, so that the client can go on from there.
 * @typedef {object} Start
 * @property {Page} page the newest posts and the position they were read at
 * @property {Person | null} user
 * @property {boolean} may_write whether this person may post and react here
 * @property {{ api: string, socket: string }} urls paths
 * @property {PictureLimits & { undo_minutes: number }} limits
 */

/**
 * What the parts of the page share.
 * @typedef {object} RoomContext
 * @property {Room} room
 * @property {Viewer} viewer
 * @property {ParentNode} templates
 * @property {Start['limits']} limits
 * @property {AbortSignal} signal ends with the page
 * @property {PgLightbox} lightbox
 * @property {Set<string>} ownDeletions posts deleted here, which can be had back here
 * @property {(id: string) => Promise<void>} deletePost
 * @property {(id: string) => Promise<void>} restorePost
 * @property {(id: string, emoji: string) => void} react
 * @property {(id: string, opener: HTMLElement) => void} pickReaction
 */

/** The page of a room: makes the client and hands it to its parts. */
export class PgRoom extends HTMLElement {
  #ties = new Ties();

  connectedCallback() {
    const start = find(this, '#room-start', HTMLScriptElement).textContent ?? '';
    this.#start(JSON.parse(start));
  }

  disconnectedCallback() {
    this.#ties.cut();
  }

  /** @param {Start} start */
  #start({ page, user, may_write, urls, limits }) {
    const api = new Api({ url: urls.api, csrfToken });
    const connection = new Connection({
      url: new URL(urls.socket, location.href.replace(/^http/, 'ws')).href,
      poll: (room, position, signal) => api.pollEvents(room, position, signal),
    });
    const room = new Room({ page, user, api, connection });
    const feed = find(this, 'pg-feed', PgFeed);
    const toasts = find(this, 'pg-toasts', PgToasts);
    const status = find(document, 'pg-connection', PgConnection);

    /** @param {Promise<void>} deed */
    const sayFailures = async (deed) => {
      try {
        await deed;
      } catch (error) {
        toasts.show(error instanceof RefusedError ? error.message : 'Nobody answers. Try again.');
        throw error;
      }
    };
    /** @type {Set<string>} */
    const ownDeletions = new Set();
    /** @type {RoomContext} */
    const context = {
      room,
      viewer: { userId: user?.id, mayWrite: may_write },
      templates: feed,
      limits,
      signal: this.#ties.signal,
      lightbox: find(this, 'pg-lightbox', PgLightbox),
      ownDeletions,
      deletePost: async (id) => {
        ownDeletions.add(id);
        await sayFailures(room.remove(id)).catch(() => ownDeletions.delete(id));
      },
      restorePost: async (id) => {
        await sayFailures(room.restore(id)).then(
          () => ownDeletions.delete(id),
          () => {},
        );
      },
      react: (id, emoji) => void sayFailures(room.toggleReaction(id, emoji)).catch(() => {}),
      pickReaction: (id, opener) => feed.picker?.open(id, opener),
    };

    room.open();
    this.#ties.add(() => room.close());
    feed.connect(context);
    this.querySelectorAll('pg-composer').forEach((composer) => {
      if (composer instanceof PgComposer) composer.connect(context);
    });
    status.connect(connection);
    this.#ties.add(
      room.on('lost', () => {
        status.tell('This room is not open to you any more.');
        this.#close();
      }),
    );
    this.#ties.add(
      connection.on('transition', ({ to, code }) => {
        if (to === ConnectionState.STOPPED && code === NOT_ALLOWED) this.#close();
      }),
    );
    this.#ties.add(room.store.on('other', (event) => this.#showRoom(event)));
    this.#followPage(connection);
    connection.start();
  }

  /** The room is lost: nothing can be written any more. */
  #close() {
    this.classList.add('room--lost');
    find(this, '[data-lost]', HTMLElement).hidden = false;
    this.querySelectorAll('.invitation:not([data-lost])').forEach((place) => place.remove());
    for (const composer of this.querySelectorAll('pg-composer')) {
      if (composer instanceof PgComposer) composer.close();
    }
  }

  /** @param {Connection} connection */
  #followPage(connection) {
    const { signal } = this.#ties;
    // A page with an open socket is not kept for the way back.
    window.addEventListener('pagehide', () => connection.stop(), { signal });
    window.addEventListener(
      'pageshow',
      (event) => {
        if (event.persisted) connection.start();
      },
      { signal },
    );
    this.#ties.add(() => connection.stop());
  }

  /** @param {RoomEvent} event */
  #showRoom({ type, data }) {
    if (type !== 'room.updated') return;
    find(this, '[data-room-title]', HTMLElement).textContent = data.title;
    document.title = `${data.title} · PictureGram`;
  }
}

/** The cookie is read at each use: signing in or out elsewhere changes it. */
function csrfToken() {
  const cookie = document.cookie.match(/(?:^|;\s*)csrftoken=([^;]+)/)?.[1];
  const field = document.querySelector('input[name=csrfmiddlewaretoken]');
  return cookie ?? (field instanceof HTMLInputElement ? field.value : '');
}

customElements.define('pg-room', PgRoom);
