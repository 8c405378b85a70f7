import { PendingReplies } from './replies.js';

/** @import { Clock } from './clock.js' */
/** @import { Hello } from './wire.js' */

export const SUBPROTOCOL = 'picturegram.v1.json';
/** Carries a program's token: browsers cannot set headers on a WebSocket. Never echoed. */
const BEARER = 'picturegram.bearer.';

/**
 * Why a socket is over. `code` 1006 stands for everything that has no close frame, our own
 * decision to drop a silent one included.
 * @typedef {object} Ending
 * @property {number} code
 * @property {string} reason
 * @property {number | null} retryAfterMs from the server's `disconnect` frame
 * @property {boolean} wasGreeted whether the server had ever said hello on it
 */

/**
 * The little of a browser's WebSocket that is used.
 * @typedef {object} WebSocketLike
 * @property {number} readyState
 * @property {((event: any) => void) | null} onmessage
 * @property {((event: any) => void) | null} onclose
 * @property {((event: any) => void) | null} onerror
 * @property {(text: string) => void} send
 * @property {(code?: number, reason?: string) => void} close
 */

/** @typedef {new (url: string, protocols: string[]) => WebSocketLike} WebSocketClass */

/**
 * @typedef {object} SocketListener
 * @property {(hello: Hello) => void} greeted
 * @property {(frame: any) => void} received every frame that is neither hello nor a reply
 * @property {() => void} heard any frame at all
 * @property {(ending: Ending) => void} ended exactly once, unless `abandon` came first
 */

const OPEN = 1;
const ABNORMAL = 1006;
/** How often the silence is measured, and the slack before a late tick means a sleeping machine. */
const WATCH_MS = 5_000;
const SLEEP_MS = 15_000;

/**
 * One WebSocket from its opening to its end. It answers the server's heartbeats from the message
 * handler, since the timers of a hidden tab sleep, and ends itself when the server falls silent.
 */
export class Socket {
  /** @type {WebSocketLike | null} */
  #webSocket = null;
  /** @type {number | null} */
  #watchTimer = null;
  /** @type {number | null} */
  #deadline = null;
  #wasGreeted = false;
  #lastHeardAt = 0;
  #silenceMs = 60_000;
  /** @type {{ reason: string, retryAfterMs: number | null }} */
  #farewell = { reason: '', retryAfterMs: null };
  /** What the WebSocket said was wrong; browsers say nothing. */
  #complaint = '';

  /**
   * @param {object} options
   * @param {string} options.url
   * @param {WebSocketClass} options.WebSocket
   * @param {Clock} options.clock
   * @param {SocketListener} options.listener
   * @param {string} [options.token] of a program; pages have their cookie
   * @param {number} [options.helloTimeoutMs] an upgrade that leads to no hello is a failed one
   * @param {number} [options.probeTimeoutMs]
   */
  constructor({
    url,
    WebSocket,
    clock,
    listener,
    token = '',
    helloTimeoutMs = 10_000,
    probeTimeoutMs = 5_000,
  }) {
    this.clock = clock;
    this.listener = listener;
    this.probeTimeoutMs = probeTimeoutMs;
    this.replies = new PendingReplies(clock);
    this.#deadline = clock.setTimeout(() => this.#end(ABNORMAL, 'no hello'), helloTimeoutMs);
    try {
      const protocols = token ? [SUBPROTOCOL, BEARER + token] : [SUBPROTOCOL];
      this.#webSocket = new WebSocket(url, protocols);
    } catch (error) {
      // A browser refuses at once what its policy forbids; the caller is still being built.
      clock.clearTimeout(this.#deadline);
      this.#deadline = clock.setTimeout(() => this.#end(ABNORMAL, String(error)), 0);
      return;
    }
    this.#webSocket.onmessage = (event) => this.#receive(event.data);
    // Node's `ws` ends the process over an error that nobody listens for.
    this.#webSocket.onerror = (event) => (this.#complaint = event.message ?? '');
    this.#webSocket.onclose = (event) => this.#end(event.code, event.reason || '');
  }

  /**
   * @param {object} frame
   * @returns {boolean} whether it left; a frame that did not is not kept
   */
  send(frame) {
    if (this.#webSocket?.readyState !== OPEN) return false;
    this.#webSocket.send(JSON.stringify(frame));
    return true;
  }

  /**
   * @param {string} action
   * @param {object} [fields]
   * @param {number} [timeoutMs]
   * @returns {Promise<any>} the result; see PendingReplies.expect for the errors
   */
  request(action, fields = {}, timeoutMs = 10_000) {
    const { id, result } = this.replies.expect(action, timeoutMs);
    if (!this.send({ action, request_id: id, ...fields })) this.replies.abandon();
    return result;
  }

  /**
   * Asks for a streamed answer.
   * @param {string} action
   * @param {object} fields
   * @param {(item: any) => void} onItem
   * @param {number} [timeoutMs] of silence
   * @returns {{ end: Promise<any>, cancel: () => void }}
   */
  stream(action, fields, onItem, timeoutMs = 10_000) {
    const { id, result } = this.replies.expect(action, timeoutMs, onItem);
    if (!this.send({ action, request_id: id, ...fields })) this.replies.abandon();
    const cancel = () => {
      if (this.replies.forget(id)) this.send({ action: 'cancel', request_id: id });
    };
    return { end: result, cancel };
  }

  /** Asks whether anybody is still there; ends the socket if no frame comes in time. */
  probe() {
    if (!this.#wasGreeted || this.#deadline !== null) return;
    this.send({ action: 'ping' });
    this.#deadline = this.clock.setTimeout(
      () => this.#end(ABNORMAL, 'no answer to a ping'),
      this.probeTimeoutMs,
    );
  }

  /** Lets go without telling the listener. */
  abandon() {
    this.#release();
    this.#webSocket?.close(1000);
    this.#webSocket = null;
  }

  /** @param {unknown} data */
  #receive(data) {
    this.#lastHeardAt = this.clock.now();
    let frame;
    try {
      frame = JSON.parse(String(data));
    } catch {
      return; // Not ours; still a sign of life.
    }
    if (this.#wasGreeted || frame.type === 'hello') {
      this.clock.clearTimeout(this.#deadline);
      this.#deadline = null;
    }
    this.listener.heard();
    if (frame.request_id !== undefined && this.replies.settle(frame)) return;
    if (frame.type === 'hello') {
      this.#greet(frame);
      return;
    }
    if (frame.type === 'heartbeat') this.send({ action: 'ping' });
    if (frame.type === 'disconnect') {
      this.#farewell = { reason: frame.reason ?? '', retryAfterMs: frame.retry_after_ms ?? null };
    }
    this.listener.received(frame);
  }

  /** @param {Hello} hello */
  #greet(hello) {
    this.#wasGreeted = true;
    // Two heartbeats and a little: one may be late, two are an answer.
    this.#silenceMs = (hello.heartbeat_ms || 25_000) * 2 + 10_000;
    this.#watch();
    this.listener.greeted(hello);
  }

  #watch() {
    const armedAt = this.clock.now();
    this.#watchTimer = this.clock.setTimeout(() => {
      const now = this.clock.now();
      if (now - this.#lastHeardAt > this.#silenceMs) {
        this.#end(ABNORMAL, 'silence');
        return;
      }
      // The tick came late: the machine slept or the clock was set. Trust nothing.
      if (now - armedAt > WATCH_MS + SLEEP_MS || now < armedAt) this.probe();
      this.#watch();
    }, WATCH_MS);
  }

  #release() {
    this.clock.clearTimeout(this.#watchTimer);
    this.clock.clearTimeout(this.#deadline);
    this.#watchTimer = this.#deadline = null;
    if (this.#webSocket) this.#webSocket.onmessage = this.#webSocket.onclose = null;
    this.replies.abandon();
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #end(code, reason) {
    this.#release();
    // A dead network delays the browser's own close event by minutes; nobody waits for it.
    this.#webSocket?.close(1000);
    this.#webSocket = null;
    this.listener.ended({
      code,
      reason: this.#farewell.reason || reason || this.#complaint,
      retryAfterMs: this.#farewell.retryAfterMs,
      wasGreeted: this.#wasGreeted,
    });
  }
}
