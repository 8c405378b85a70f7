/** @import { WebSocketClass, WebSocketLike } from '../client/socket.js' */

/**
 * What the link is doing.
 * @enum {string}
 */
export const LinkState = /** @type {const} */ ({
  CLOSED: 'closed',
  CONNECTING: 'connecting',
  OPEN: 'open',
  /** Ended by the server or by the network. */
  ENDED: 'ended',
});

/** @typedef {typeof LinkState[keyof typeof LinkState]} LinkStateName */

/**
 * @typedef {object} LinkListener
 * @property {(state: LinkStateName, code: number) => void} changed `code` is 0 unless it ended
 * @property {(text: string) => void} came
 * @property {(text: string) => void} left
 */

const OPEN = 1;

/** One raw socket at a time: what is sent is sent as it is, what comes is shown as it came. */
export class Link {
  /** @type {WebSocketLike | null} */
  #webSocket = null;
  /** Messages of who did not wait for the handshake. @type {string[]} */
  #waiting = [];

  /**
   * @param {LinkListener} listener
   * @param {WebSocketClass} WebSocket
   */
  constructor(listener, WebSocket = globalThis.WebSocket) {
    this.listener = listener;
    this.WebSocket = WebSocket;
    /** @type {LinkStateName} */
    this.state = LinkState.CLOSED;
  }

  /**
   * @param {string} url
   * @param {string[]} protocols
   */
  open(url, protocols) {
    this.close();
    const webSocket = new this.WebSocket(url, protocols);
    this.#webSocket = webSocket;
    this.#turn(LinkState.CONNECTING);
    Object.assign(webSocket, { onopen: () => this.#opened() });
    webSocket.onmessage = ({ data }) => this.listener.came(String(data));
    webSocket.onclose = ({ code }) => {
      this.#webSocket = null;
      this.#waiting = [];
      this.#turn(LinkState.ENDED, code);
    };
  }

  /** Sends now, or once the handshake is done. @param {string} text */
  send(text) {
    if (this.#webSocket?.readyState !== OPEN) {
      this.#waiting.push(text);
      return;
    }
    this.#webSocket.send(text);
    this.listener.left(text);
  }

  /** Ends the socket as a client that has had enough. */
  close() {
    const webSocket = this.#webSocket;
    if (!webSocket) return;
    webSocket.onmessage = webSocket.onclose = null;
    webSocket.close(1000);
    this.#webSocket = null;
    this.#waiting = [];
    this.#turn(LinkState.CLOSED);
  }

  #opened() {
    this.#turn(LinkState.OPEN);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const text of waiting) this.send(text);
  }

  /**
   * @param {LinkStateName} state
   * @param {number} [code]
   */
  #turn(state, code = 0) {
    this.state = state;
    this.listener.changed(state, code);
  }
}
