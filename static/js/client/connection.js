import { Backoff } from './backoff.js';
import { systemClock } from './clock.js';
import { Verdict, verdictOf } from './close-codes.js';
import { ConnectionState } from './connection-state.js';
import { Emitter } from './emitter.js';
import { NoAnswerError, RefusedError } from './errors.js';
import { Poller } from './poller.js';
import { Socket } from './socket.js';
import { Subscriptions, TOPICS } from './subscriptions.js';

/** @import { Clock } from './clock.js' */
/** @import { ConnectionStateName } from './connection-state.js' */
/** @import { Ending, WebSocketClass } from './socket.js' */
/** @import { Poll } from './poller.js' */
/** @import { RoomSubscription, TopicSubscription } from './subscriptions.js' */
/** @import { Hello } from './wire.js' */

/**
 * @typedef {object} Transition
 * @property {ConnectionStateName} from
 * @property {ConnectionStateName} to
 * @property {string} reason for logs and for people who look closely
 * @property {number | null} code the close code that led to it
 */

/**
 * @typedef {object} ConnectionEvents
 * @property {Transition} transition once per change of state
 * @property {number} contact the server was heard, at this time
 * @property {Hello} hello
 * @property {any} volatile a frame without a place in a log, such as typing or a badge
 */

const ABNORMAL = 1006;
const RATE_LIMITED = 4108;
/** Failures in a row, without a hello, after which the socket counts as blocked. */
const BLOCKED_AFTER = 2;
/** A connection that lives this long earns its backoff anew. */
const STEADY_MS = 10_000;
/** The least that "come back later" means when the server names no time. */
const LATER_MS = 1_000;

/**
 * The client's one connection: a socket that reconnects and resumes by itself, polling where
 * sockets are blocked, and the plain truth about which of them it is.
 * @extends {Emitter<ConnectionEvents>}
 */
export class Connection extends Emitter {
  /** @type {ConnectionStateName} */
  state = ConnectionState.STOPPED;
  /** When the server was last heard, in the clock's milliseconds.
   * @type {number | null} */
  lastContactAt = null;
  /** @type {Hello | null} */
  hello = null;

  /** @type {Socket | null} */
  #socket = null;
  /** @type {number | null} */
  #retryTimer = null;
  /** @type {number | null} */
  #socketRetryAt = null;
  /** @type {number | null} */
  #steadyTimer = null;
  #failures = 0;

  /**
   * @param {object} options
   * @param {string} options.url of the gateway, ws: or wss:
   * @param {Poll} options.poll
   * @param {string} [options.token] of a program; pages have their cookie
   * @param {WebSocketClass} [options.WebSocket]
   * @param {Clock} [options.clock]
   * @param {number} [options.pollIntervalMs]
   */
  constructor({
    url,
    poll,
    token = '',
    WebSocket = globalThis.WebSocket,
    clock = systemClock,
    pollIntervalMs = 10_000,
  }) {
    super();
    this.url = url;
    this.token = token;
    this.WebSocket = WebSocket;
    this.clock = clock;
    this.backoff = new Backoff({ random: clock.random });
    this.subscriptions = new Subscriptions();
    /** @type {Subscriptions<TopicSubscription>} */
    this.topics = new Subscriptions(TOPICS);
    this.poller = new Poller({
      poll,
      clock,
      intervalMs: pollIntervalMs,
      subscriptions: () => this.subscriptions.all(),
      listener: {
        replayed: (replay) => this.subscriptions.take(replay),
        refused: (subscription, error) => this.subscriptions.lose(subscription.room, error.code),
        answered: (reason) => {
          this.#heard();
          this.#become(ConnectionState.POLLING, reason);
        },
        failed: (reason) => this.#become(ConnectionState.OFFLINE, reason),
      },
    });
  }

  /** When the next attempt of any kind begins; null while one is under way or none is needed. */
  get retryAt() {
    const times = [this.#socketRetryAt, this.poller.nextAt].filter((time) => time !== null);
    return times.length ? Math.min(...times) : null;
  }

  /** When the next attempt at a socket begins; null while one is under way or none is needed. */
  get socketRetryAt() {
    return this.#socketRetryAt;
  }

  /** Connects. Also the way back from `stopped`. */
  start() {
    if (this.state !== ConnectionState.STOPPED) return;
    this.#failures = 0;
    this.#become(ConnectionState.CONNECTING, 'started');
    this.#connect();
  }

  /** Disconnects for good; `start` connects again. */
  stop() {
    this.#rest();
    this.#become(ConnectionState.STOPPED, 'stopped by us');
  }

  /**
   * Follows a room from its position on, over whatever connection there is.
   * @param {RoomSubscription} subscription
   * @returns {() => void} ends it
   */
  subscribe(subscription) {
    this.subscriptions.add(subscription);
    return () => this.subscriptions.remove(subscription.room);
  }

  /**
   * Sends a request over the socket.
   * @param {string} action
   * @param {object} [fields]
   * @returns {Promise<any>} its result; rejects with RefusedError or NoAnswerError
   */
  request(action, fields = {}) {
    return this.#socket?.request(action, fields) ?? Promise.reject(new NoAnswerError('No socket'));
  }

  /**
   * Asks for a streamed answer over the socket.
   * @param {string} action
   * @param {object} fields
   * @param {(item: any) => void} onItem
   * @returns {{ end: Promise<any>, cancel: () => void }} `end` rejects as `request` does
   */
  stream(action, fields, onItem) {
    if (this.#socket) return this.#socket.stream(action, fields, onItem);
    return { end: Promise.reject(new NoAnswerError('No socket')), cancel: () => {} };
  }

  /** Tries at once instead of waiting; makes sure of a connection that looks alive. */
  retryNow() {
    if (this.state === ConnectionState.STOPPED) return;
    if (this.state === ConnectionState.LIVE) {
      this.#socket?.probe();
      return;
    }
    // The attempt's failure begins a round of polling at once, its success makes one needless.
    this.poller.stop();
    this.#failures = Math.max(this.#failures, BLOCKED_AFTER - 1);
    if (!this.#socket) this.#connect();
  }

  #connect() {
    this.clock.clearTimeout(this.#retryTimer);
    this.#socketRetryAt = null;
    this.#socket = new Socket({
      url: this.url,
      token: this.token,
      WebSocket: this.WebSocket,
      clock: this.clock,
      listener: {
        greeted: (hello) => this.#greeted(hello),
        heard: () => this.#heard(),
        received: (frame) => {
          const isTaken = this.subscriptions.receive(frame) || this.topics.receive(frame);
          if (!isTaken) this.emit('volatile', frame);
        },
        ended: (ending) => this.#ended(ending),
      },
    });
  }

  /** @param {Hello} hello */
  async #greeted(hello) {
    const socket = /** @type {Socket} */ (this.#socket);
    this.hello = hello;
    this.emit('hello', hello);
    try {
      await Promise.all([this.subscriptions.resumeOn(socket), this.topics.resumeOn(socket)]);
    } catch (error) {
      // Greeted, but not let in: start over. The end has been told already if the socket is gone.
      if (this.#socket !== socket) return;
      socket.abandon();
      const reason = error instanceof Error ? error.message : String(error);
      const retryAfterMs = error instanceof RefusedError ? error.retryAfterMs : null;
      const code = retryAfterMs === null ? ABNORMAL : RATE_LIMITED;
      this.#ended({ code, reason, retryAfterMs, wasGreeted: false });
      return;
    }
    if (this.#socket !== socket) return;
    this.poller.stop();
    this.#failures = 0;
    this.#steadyTimer = this.clock.setTimeout(() => this.backoff.reset(), STEADY_MS);
    this.#become(ConnectionState.LIVE, 'resumed');
  }

  #heard() {
    this.lastContactAt = this.clock.now();
    this.emit('contact', this.lastContactAt);
  }

  /** @param {Ending} ending */
  #ended({ code, reason, retryAfterMs, wasGreeted }) {
    this.#socket = null;
    this.subscriptions.pause();
    this.topics.pause();
    this.clock.clearTimeout(this.#steadyTimer);
    const verdict = verdictOf(code);
    if (verdict === Verdict.STOP) {
      this.#rest();
      this.#become(ConnectionState.STOPPED, reason || 'closed by the server', code);
      return;
    }
    this.#failures = wasGreeted ? 0 : this.#failures + 1;
    let waitMs = this.backoff.nextMs();
    // The server spreads the times that it names over its clients: no jitter of ours on top.
    if (verdict === Verdict.WAIT) waitMs = retryAfterMs ?? Math.max(LATER_MS, waitMs);
    this.#socketRetryAt = this.clock.now() + waitMs;
    this.#retryTimer = this.clock.setTimeout(() => this.#connect(), waitMs);
    if (this.state === ConnectionState.LIVE || this.state === ConnectionState.CONNECTING) {
      this.#become(ConnectionState.RECONNECTING, reason || `closed with ${code}`, code);
    }
    if (this.#failures >= BLOCKED_AFTER) this.poller.start();
  }

  /** Ends everything that runs, without a word about the state. */
  #rest() {
    this.#socket?.abandon();
    this.#socket = null;
    this.subscriptions.pause();
    this.topics.pause();
    this.poller.stop();
    this.clock.clearTimeout(this.#retryTimer);
    this.clock.clearTimeout(this.#steadyTimer);
    this.#socketRetryAt = null;
  }

  /**
   * @param {ConnectionStateName} to
   * @param {string} reason
   * @param {number | null} [code]
   */
  #become(to, reason, code = null) {
    const from = this.state;
    if (from === to) return;
    this.state = to;
    this.emit('transition', { from, to, reason, code });
  }
}
