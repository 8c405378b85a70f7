/**
 * What is true of the connection right now.
 * @enum {string}
 */
export const ConnectionState = /** @type {const} */ ({
  /** The first attempt is under way. */
  CONNECTING: 'connecting',
  /** The socket is open and every room is up to date. */
  LIVE: 'live',
  /** The socket was lost; the next attempt is under way or waiting. */
  RECONNECTING: 'reconnecting',
  /** No socket gets through; the server is asked over HTTP instead. */
  POLLING: 'polling',
  /** Nobody answers, neither on a socket nor over HTTP. */
  OFFLINE: 'offline',
  /** Over, by us or by the server; nothing comes back by itself. */
  STOPPED: 'stopped',
});

/** @typedef {typeof ConnectionState[keyof typeof ConnectionState]} ConnectionStateName */
