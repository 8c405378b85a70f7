/** @import { WireError } from './wire.js' */

/** The server answered, and refused. `code` is stable, the message is for people. */
export class RefusedError extends Error {
  /**
   * @param {WireError} error
   * @param {number} [status] the HTTP status; 0 when it came over the socket
   */
  constructor(error, status = 0) {
    super(error.message);
    this.name = 'RefusedError';
    this.code = error.code;
    this.status = status;
    /** @type {Record<string, string>} */
    this.fields = error.fields ?? {};
    /** @type {number | null} */
    this.retryAfterMs = error.retry_after_ms ?? null;
  }

  /** Whether the same request may succeed a little later, unchanged. */
  get isPassing() {
    return this.status === 429 || this.status >= 500 || this.retryAfterMs !== null;
  }
}

/** No answer came. Whether the server did what was asked is unknown. */
export class NoAnswerError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = 'NoAnswerError';
  }
}

/** The person called it off. */
export class CancelledError extends Error {
  constructor() {
    super('Cancelled');
    this.name = 'CancelledError';
  }
}

/** The connection is over for good: the server said not to come back, or we closed it. */
export class StoppedError extends Error {
  /**
   * @param {number} code the close code, or the HTTP status of a refusal
   * @param {string} reason
   */
  constructor(code, reason) {
    super(reason);
    this.name = 'StoppedError';
    this.code = code;
  }
}
