// What a program takes part with: one object, from any place where WebSocket and fetch can be had.
import { Api } from './api.js';
import { newClientId } from './client-id.js';
import { systemClock } from './clock.js';
import { Connection } from './connection.js';
import { ConnectionState } from './connection-state.js';
import { NoAnswerError, RefusedError, StoppedError } from './errors.js';
import { Feed, Follower } from './feed.js';
import { Pace } from './pace.js';
import { ROOMS, TOPICS } from './subscriptions.js';

/** @import { Clock } from './clock.js' */
/** @import { Transition } from './connection.js' */
/** @import { Poll } from './poller.js' */
/** @import { WebSocketClass } from './socket.js' */
/** @import { Kind } from './subscriptions.js' */
/** @import { Position, Post, Tombstone, TopicPosition } from './wire.js' */

export * from './index.js';

/**
 * @typedef {object} ClientOptions
 * @property {string} [token] an access key; without one, public rooms can be read
 * @property {WebSocketClass} [WebSocket] Node before 22 has none: pass the one of `ws`
 * @property {typeof globalThis.fetch} [fetch]
 * @property {number} [connectTimeoutMs] until the first connection
 * @property {number} [requestTimeoutMs] of one request, over as many connections as it takes
 * @property {number} [eventsMax] how many events may wait for `events`
 * @property {Clock} [clock]
 */

/**
 * A filter on producer events. See docs/protocol.md.
 * @typedef {object} Filter
 * @property {string} event_type
 * @property {string} [filter_field]
 * @property {string} [filter_expr]
 * @property {string[]} [desired_fields]
 */

/** Asking again changes nothing. */
const READS = ['history', 'ping', 'presence', 'rooms.list', 'search', 'state.get', 'users.list'];
READS.push('subscribe', 'unsubscribe');
/** These make something, once per client_id. */
const CREATES = ['post.create', 'publish', 'submitIotEvent'];
/** Codes of errors after which the same request may succeed. */
const PASSING = ['rate_limited', 'busy', 'storage_unavailable'];
/** Codes that leave it unknown whether the request was done. */
const UNKNOWN = ['unavailable', 'internal_error'];
/** What "later" means when the server names no time. */
const LATER_MS = 1_000;

/**
 * Connects to a site.
 * @param {string} url of the site
 * @param {ClientOptions} [options]
 * @returns {Promise<Client>} rejects with a StoppedError when the token is refused, with a
 *   NoAnswerError when nobody answers in time
 */
export async function connect(url, options = {}) {
  const client = new Client(url, options);
  try {
    await client.start();
  } catch (error) {
    client.close();
    throw error;
  }
  return client;
}

/** A program's connection to a site. It reconnects and resumes by itself until it is closed. */
export class Client {
  /** @type {Filter[]} */
  #filters = [];
  /** Why no other connection will come.
   * @type {StoppedError | null} */
  #end = null;
  /** What was last wrong with the connection. */
  #trouble = 'no answer';

  /**
   * @param {string} url
   * @param {ClientOptions} [options]
   */
  constructor(
    url,
    {
      token = '',
      WebSocket = globalThis.WebSocket,
      fetch = globalThis.fetch,
      connectTimeoutMs = 10_000,
      requestTimeoutMs = 30_000,
      eventsMax = 1_000,
      clock = systemClock,
    } = {},
  ) {
    if (!WebSocket) throw new TypeError('There is no WebSocket here: pass one, such as that of ws');
    const site = siteUrl(url);
    this.clock = clock;
    this.connectTimeoutMs = connectTimeoutMs;
    this.requestTimeoutMs = requestTimeoutMs;
    this.pace = new Pace(clock);
    this.api = new Api({ url: `${site}api/`, token, fetch });
    this.feed = new Feed(eventsMax, () => this.#catchUp());
    this.connection = new Connection({
      url: `${site.replace('http', 'ws')}ws/`,
      token,
      WebSocket,
      clock,
      poll: (room, position, signal) => this.#poll(room, position, signal),
    });
    this.connection.on('hello', () => this.pace.reset());
    this.connection.on('transition', (transition) => this.#changed(transition));
    this.connection.on('volatile', (frame) => {
      if (frame.type && frame.type !== 'disconnect') this.feed.put(frame);
    });
  }

  /** The server's last greeting: `user`, `limits` and more. */
  get hello() {
    return this.connection.hello;
  }

  /** Connects for the first time; `connect` does this. Rejects as `connect` does. */
  async start() {
    // A browser's WebSocket does not tell a refusal from a dead network; this does.
    if (this.api.token) await this.api.me().catch((error) => this.#heedRefusal(error));
    if (this.#end) throw this.#end;
    this.connection.start();
    await this.#live(this.clock.now() + this.connectTimeoutMs);
  }

  /** Disconnects for good. `events` ends; requests that wait reject with a StoppedError. */
  close() {
    this.#end ??= new StoppedError(1000, 'Closed by this program');
    this.feed.end();
    this.connection.stop();
  }

  /**
   * Asks for something. Waits for a connection, goes at the pace that the server allows, and asks
   * again when the connection is lost on the way, if that can do no harm: when it reads, or has a
   * `client_id`, as `post.create` and `publish` always have.
   * @param {string} action
   * @param {Record<string, any>} [fields]
   * @returns {Promise<any>} the result; rejects with a RefusedError, with a NoAnswerError when the
   *   outcome is unknown, or with a StoppedError
   */
  request(action, fields = {}) {
    const body = CREATES.includes(action) ? { client_id: newClientId(), ...fields } : fields;
    const isRepeatable = READS.includes(action) || 'client_id' in body;
    return this.#untilAnswered(isRepeatable, async (deadline) => {
      await this.#live(deadline);
      await this.pace.turn();
      this.#checkSize({ action, ...body });
      return this.connection.request(action, body);
    });
  }

  /**
   * The items of a streamed answer, such as `history`; leaving the loop early cancels it. Rejects as
   * `request` does; a stream that breaks off, with a NoAnswerError.
   * @param {string} action
   * @param {Record<string, any>} [fields]
   * @returns {AsyncGenerator<any, void, undefined>}
   */
  async *stream(action, fields = {}) {
    await this.#live(this.clock.now() + this.requestTimeoutMs);
    await this.pace.turn();
    // The request's own limit bounds what may wait here.
    const items = new Feed(Infinity);
    const { end, cancel } = this.connection.stream(action, fields, (item) => items.put(item));
    end.then(
      () => items.end(),
      (error) => items.end(error),
    );
    try {
      yield* items;
    } finally {
      cancel();
    }
  }

  /**
   * @param {string} room
   * @param {string} text
   * @param {object} [options]
   * @param {{ file: Blob, alt: string }[]} [options.images]
   * @param {string} [options.clientId]
   * @returns {Promise<Post | Tombstone>} once it is on disk; rejects as `request` does
   */
  post(room, text, { images = [], clientId = newClientId() } = {}) {
    if (!images.length) return this.request('post.create', { room, text, client_id: clientId });
    const draft = { clientId, text, pictures: images };
    return this.#untilAnswered(true, () => this.api.createPost(room, draft));
  }

  /**
   * @param {string} topic
   * @param {string} eventType
   * @param {any} payload
   * @param {{ clientId?: string }} [options]
   * @returns {Promise<{ topic: string } & TopicPosition>} rejects as `request` does
   */
  publish(topic, eventType, payload, { clientId = newClientId() } = {}) {
    const body = { topic, event_type: eventType, payload, client_id: clientId };
    return this.request('publish', body);
  }

  /**
   * Follows rooms, topics, and what filters let through, from now on or from a position.
   * @param {string | string[]} rooms
   * @param {object} [options]
   * @param {string | string[]} [options.topics]
   * @param {Filter[]} [options.filters]
   * @param {Record<string, Position | TopicPosition>} [options.after] by room or topic
   * @returns {Promise<void>} rejects as `request` does
   */
  async subscribe(rooms, { topics = [], filters = [], after = {} } = {}) {
    await this.#follow(ROOMS, [rooms].flat(), after);
    await this.#follow(TOPICS, [topics].flat(), after);
    if (!filters.length) return;
    await this.request('subscribe', { subscriptions: filters });
    this.#filters.push(...filters);
  }

  /**
   * @param {string | string[]} rooms
   * @param {{ topics?: string | string[] }} [options]
   */
  unsubscribe(rooms, { topics = [] } = {}) {
    for (const room of [rooms].flat()) this.connection.subscriptions.remove(room);
    for (const topic of [topics].flat()) this.connection.topics.remove(topic);
  }

  /**
   * What happens in everything subscribed to, as docs/protocol.md describes it: each event once and
   * in order, across reconnects. Where that cannot be, a `gap` says from where on; what is lost is
   * told by `unsubscribed`. Ends with `close`, rejects with a StoppedError when the server ends it.
   * @returns {AsyncIterable<any>}
   */
  events() {
    return this.feed;
  }

  /**
   * @param {string} name of a room or topic
   * @returns {Position | TopicPosition | null} from which a later run may go on
   */
  position(name) {
    return this.#followers().find((follower) => follower.name === name)?.position() ?? null;
  }

  /**
   * @param {Kind} kind
   * @param {string[]} names
   * @param {Record<string, any>} after
   */
  async #follow(kind, names, after) {
    if (!names.length) return;
    const asked = names.map((name) => ({ [kind.id]: name }));
    const result = await this.request('subscribe', { [kind.plural]: asked });
    const followed = kind === ROOMS ? this.connection.subscriptions : this.connection.topics;
    for (const head of result[kind.plural]) {
      const name = head[kind.id];
      // What came since the answer is asked for again from here on.
      if (!followed.has(name)) followed.add(new Follower(kind, name, after[name] ?? head, this.feed));
    }
  }

  /** @returns {Follower[]} */
  #followers() {
    const { subscriptions, topics } = this.connection;
    return /** @type {any} */ ([...subscriptions.all(), ...topics.all()]);
  }

  /** Asks for what did not fit into the feed. */
  #catchUp() {
    const { subscriptions, topics } = this.connection;
    for (const { kind, name, isBehind } of this.#followers()) {
      if (isBehind) (kind === ROOMS ? subscriptions : topics).catchUp(name);
    }
  }

  /**
   * Makes an attempt, and others while the outcome is unknown and more of them do no harm.
   * @template Result
   * @param {boolean} isRepeatable
   * @param {(deadline: number) => Promise<Result>} attempt
   * @returns {Promise<Result>}
   */
  async #untilAnswered(isRepeatable, attempt) {
    const deadline = this.clock.now() + this.requestTimeoutMs;
    for (;;) {
      try {
        return await attempt(deadline);
      } catch (error) {
        const isRefused = error instanceof RefusedError;
        if (!isRefused && !(error instanceof NoAnswerError)) throw error;
        const isUnknown = !isRefused || error.status >= 500 || UNKNOWN.includes(error.code);
        const mayAskAgain = isUnknown ? isRepeatable : PASSING.includes(error.code);
        const waitMs = (isRefused && error.retryAfterMs) || LATER_MS;
        if (!mayAskAgain || this.clock.now() + waitMs > deadline) throw error;
        if (isRefused && !isUnknown) this.pace.slowDown(waitMs);
        // A lost connection says when it is back, and one that is not lost needs a pause.
        else await this.#nextTransition(waitMs);
      }
    }
  }

  /** Waits until the socket is up to date. @param {number} deadline */
  async #live(deadline) {
    while (this.connection.state !== ConnectionState.LIVE) {
      if (this.#end) throw this.#end;
      const waitMs = deadline - this.clock.now();
      if (waitMs <= 0) throw new NoAnswerError(`No connection: ${this.#trouble}`);
      await this.#nextTransition(waitMs);
    }
  }

  /** @param {number} timeoutMs @returns {Promise<void>} */
  #nextTransition(timeoutMs) {
    return new Promise((resolve) => {
      const end = () => {
        this.clock.clearTimeout(timer);
        unlisten();
        resolve();
      };
      const timer = this.clock.setTimeout(end, timeoutMs);
      const unlisten = this.connection.on('transition', end);
    });
  }

  /** @param {Transition} transition */
  #changed({ to, reason, code }) {
    if (to !== ConnectionState.POLLING) this.#trouble = reason;
    if (to === ConnectionState.STOPPED) {
      this.#end ??= new StoppedError(code ?? 0, reason);
      this.feed.end(this.#end);
    } else if (to === ConnectionState.LIVE && this.#filters.length) {
      // Rooms and topics are taken up before this; a new socket knows no filter yet.
      const filters = this.#filters.splice(0);
      this.subscribe([], { filters }).catch((error) => {
        if (!(error instanceof RefusedError)) this.#filters.push(...filters);
        else this.feed.insist({ type: 'unsubscribed', subscriptions: filters, reason: error.code });
      });
    }
  }

  /** @type {Poll} */
  async #poll(room, position, signal) {
    try {
      return await this.api.pollEvents(room, position, signal);
    } catch (error) {
      this.#heedRefusal(error);
      throw error;
    }
  }

  /** Ends everything when the token is no good any more. @param {unknown} error */
  #heedRefusal(error) {
    if (!(error instanceof RefusedError) || error.status !== 401) return;
    this.#end ??= new StoppedError(401, error.message);
    this.feed.end(this.#end);
    this.connection.stop();
  }

  /** A message that is too big would close the socket, and again after each attempt.
   * @param {object} frame */
  #checkSize(frame) {
    const bytesMax = this.hello?.limits?.message_bytes_max ?? Infinity;
    // Room for the request's number, which is not in it yet.
    if (new TextEncoder().encode(JSON.stringify(frame)).length + 40 <= bytesMax) return;
    const message = `A message has at most ${bytesMax} bytes.`;
    throw new RefusedError({ code: 'too_large', message });
  }
}

/**
 * The site's HTTP address, with a slash at its end, from any address of it: `http`, `https`, `ws` and
 * `wss` will do, with `/ws/` at the end or without.
 * @param {string} url
 */
function siteUrl(url) {
  const { protocol, host, pathname } = new URL(url.includes('://') ? url : `http://${url}`);
  const scheme = { 'http:': 'http', 'ws:': 'http', 'https:': 'https', 'wss:': 'https' }[protocol];
  if (!scheme) throw new TypeError(`${url} is no address of a PictureGram`);
  return `${scheme}://${host}${pathname.replace(/(\/ws)?\/?$/, '')}/`;
}
