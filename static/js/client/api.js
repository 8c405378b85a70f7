import { CancelledError, NoAnswerError, RefusedError } from './errors.js';
import { upload } from './upload.js';

/** @import { Page, Person, Position, Post, Replay, Tombstone, WireError } from './wire.js' */

/** How long the server may take for an answer before we count it as none. */
const ANSWER_MS = 15_000;
/** The same for pictures, where their progress cannot be seen. */
const UPLOAD_MS = 120_000;

/**
 * REST, as docs/api.md describes it. Every call rejects with a RefusedError when the server said
 * no, with a NoAnswerError when nothing came and the outcome is unknown.
 */
export class Api {
  /** What the last poll of a room was asked and marked with.
   * @type {Map<string, { url: string, etag: string }>} */
  #polled = new Map();

  /**
   * @param {object} options
   * @param {string} options.url of the API, with a slash at its end
   * @param {() => string} [options.csrfToken] of a page, read at each call: signing in elsewhere
   *   changes it
   * @param {string} [options.token] of a program
   * @param {typeof globalThis.fetch} [options.fetch]
   * @param {typeof globalThis.XMLHttpRequest} [options.XMLHttpRequest] for progress of uploads;
   *   where there is none, such as in Node, `fetch` does
   */
  constructor({
    url,
    csrfToken = () => '',
    token = '',
    fetch = globalThis.fetch,
    XMLHttpRequest = globalThis.XMLHttpRequest,
  }) {
    this.url = url;
    this.csrfToken = csrfToken;
    this.token = token;
    this.fetch = fetch;
    this.XMLHttpRequest = XMLHttpRequest;
  }

  /**
   * Who we are, as the server sees it.
   * @returns {Promise<Person>}
   */
  async me() {
    return (await this.#ask('GET', 'me/')).json();
  }

  /**
   * @param {string} room
   * @param {{ beforeSeq?: number, limit?: number }} [query]
   * @returns {Promise<Page>} newest first
   */
  async listPosts(room, { beforeSeq, limit } = {}) {
    const query = new URLSearchParams();
    if (beforeSeq !== undefined) query.set('before_seq', String(beforeSeq));
    if (limit !== undefined) query.set('limit', String(limit));
    return (await this.#ask('GET', `rooms/${room}/posts/?${query}`)).json();
  }

  /**
   * What is new since a position, at once; null when nothing is.
   * @param {string} room
   * @param {Position} position
   * @param {AbortSignal} [signal]
   * @returns {Promise<Replay | null>}
   */
  async pollEvents(room, { epoch, seq }, signal) {
    const query = new URLSearchParams({ epoch, after_seq: String(seq), wait: '0' });
    const url = `rooms/${room}/events/?${query}`;
    const last = this.#polled.get(room);
    /** @type {Record<string, string>} */
    const headers = last?.url === url ? { 'If-None-Match': last.etag } : {};
    const response = await this.#ask('GET', url, { signal, headers });
    if (response.status === 304) return null;
    const etag = response.headers.get('ETag');
    if (etag) this.#polled.set(room, { url, etag });
    return response.json();
  }

  /**
   * Posts, with pictures or without. Sending the same clientId again makes no second post.
   * @param {string} room
   * @param {object} draft
   * @param {string} draft.clientId
   * @param {string} draft.text
   * @param {{ file: Blob, alt: string }[]} draft.pictures
   * @param {object} [options]
   * @param {(share: number) => void} [options.onProgress] of the upload, 0 to 1
   * @param {AbortSignal} [options.signal]
   * @returns {Promise<Post | Tombstone>} a tombstone if a repeat finds the post gone
   */
  async createPost(room, { clientId, text, pictures }, { onProgress, signal } = {}) {
    const body = new FormData();
    body.set('client_id', clientId);
    body.set('text', text);
    for (const { file, alt } of pictures) {
      body.append('images', file);
      body.append('alts', alt);
    }
    const path = `rooms/${room}/posts/`;
    if (!this.XMLHttpRequest) return (await this.#ask('POST', path, { body, signal })).json();
    const { status, text: answer } = await upload(this.url + path, {
      XMLHttpRequest: this.XMLHttpRequest,
      headers: { Accept: 'application/json', ...this.#proof() },
      body,
      onProgress,
      signal,
    });
    if (status >= 200 && status < 300) return JSON.parse(answer);
    throw refusal(status, answer);
  }

  /**
   * @param {string} id
   * @param {{ text?: string, alts?: string[] }} changes
   * @returns {Promise<Post>}
   */
  async editPost(id, changes) {
    return (await this.#ask('PATCH', `posts/${id}/`, { json: changes })).json();
  }

  /** @param {string} id */
  async deletePost(id) {
    await this.#ask('DELETE', `posts/${id}/`);
  }

  /**
   * Takes a deletion back, as long as the server allows it.
   * @param {string} id
   * @returns {Promise<Post>}
   */
  async restorePost(id) {
    return (await this.#ask('POST', `posts/${id}/restore/`, { json: {} })).json();
  }

  /**
   * @param {string} id
   * @param {string} emoji
   */
  async addReaction(id, emoji) {
    await this.#ask('POST', `posts/${id}/reactions/`, { json: { emoji } });
  }

  /**
   * @param {string} id
   * @param {string} emoji
   */
  async removeReaction(id, emoji) {
    await this.#ask('DELETE', `posts/${id}/reactions/?${new URLSearchParams({ emoji })}`);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{ json?: object, body?: FormData, headers?: Record<string, string>,
   *   signal?: AbortSignal }} [options]
   */
  async #ask(method, path, { json, body, headers = {}, signal } = {}) {
    const timeout = AbortSignal.timeout(body ? UPLOAD_MS : ANSWER_MS);
    const { fetch } = this;
    let response;
    try {
      response = await fetch(this.url + path, {
        method,
        body: body ?? (json && JSON.stringify(json)),
        // Our own If-None-Match stands in for the browser's cache.
        cache: 'no-store',
        credentials: 'same-origin',
        headers: {
          Accept: 'application/json',
          ...(json && { 'Content-Type': 'application/json' }),
          ...this.#proof(method),
          ...headers,
        },
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
    } catch (error) {
      if (signal?.aborted) throw new CancelledError();
      throw new NoAnswerError(error instanceof Error ? error.message : String(error));
    }
    if (response.ok || response.status === 304) return response;
    throw refusal(response.status, await response.text().catch(() => ''));
  }

  /**
   * The headers that say who asks: a program by its token, a page by its cookie, which needs more.
   * @param {string} [method]
   * @returns {Record<string, string>}
   */
  #proof(method = 'POST') {
    if (this.token) return { Authorization: `Bearer ${this.token}` };
    return method === 'GET' ? {} : { 'X-CSRFToken': this.csrfToken() };
  }
}

/**
 * The error in an answer; a proxy's page without our shape still has its status.
 * @param {number} status
 * @param {string} text
 */
function refusal(status, text) {
  /** @type {WireError} */
  let error = { code: `http_${status}`, message: `The server answered ${status}.` };
  try {
    error = JSON.parse(text).error ?? error;
  } catch {
    // Not JSON.
  }
  return new RefusedError(error, status);
}
