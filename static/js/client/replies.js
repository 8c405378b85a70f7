import { NoAnswerError, RefusedError } from './errors.js';

/** @import { Clock } from './clock.js' */
/** @import { WireError } from './wire.js' */

/**
 * @typedef {object} Waiting
 * @property {(result: any) => void} resolve
 * @property {(error: Error) => void} reject
 * @property {number} timer
 * @property {() => number} startTimer
 * @property {((item: any) => void) | null} onItem
 */

/** Pairs replies with the requests they answer; replies may overtake one another. */
export class PendingReplies {
  /** @type {Map<number, Waiting>} */
  #waiting = new Map();
  #lastId = 0;

  /** @param {Clock} clock */
  constructor(clock) {
    this.clock = clock;
  }

  /**
   * Registers a request and returns its id and the promise of its result, which rejects with a
   * RefusedError, or with a NoAnswerError after `timeoutMs` or when the connection is lost.
   * @param {string} action
   * @param {number} timeoutMs of silence
   * @param {((item: any) => void) | null} [onItem] takes the items of a streamed answer
   * @returns {{ id: number, result: Promise<any> }}
   */
  expect(action, timeoutMs, onItem = null) {
    this.#lastId += 1;
    const id = this.#lastId;
    const result = new Promise((resolve, reject) => {
      const silent = () => {
        this.#waiting.delete(id);
        reject(new NoAnswerError(`No answer to ${action} within ${timeoutMs} ms`));
      };
      const startTimer = () => this.clock.setTimeout(silent, timeoutMs);
      this.#waiting.set(id, { resolve, reject, onItem, startTimer, timer: startTimer() });
    });
    return { id, result };
  }

  /** Waits no longer for one answer. @param {number} id */
  forget(id) {
    this.clock.clearTimeout(this.#waiting.get(id)?.timer ?? null);
    return this.#waiting.delete(id);
  }

  /**
   * Takes a frame if it is a reply to one of the waiting requests.
   * @param {{ request_id?: any, ok?: boolean, result?: any, error?: WireError, done?: boolean }}
   *   frame
   * @returns {boolean} whether it was
   */
  settle(frame) {
    const waiting = this.#waiting.get(frame.request_id);
    if (!waiting) return false;
    this.clock.clearTimeout(waiting.timer);
    if (waiting.onItem && 'result' in frame && frame.ok === undefined) {
      waiting.timer = waiting.startTimer();
      waiting.onItem(frame.result);
      return true;
    }
    this.#waiting.delete(frame.request_id);
    if (frame.ok === false && frame.error) waiting.reject(new RefusedError(frame.error));
    else waiting.resolve(frame.result);
    return true;
  }

  /** Ends every wait: the connection is gone, and with it the answers. */
  abandon() {
    for (const waiting of this.#waiting.values()) {
      this.clock.clearTimeout(waiting.timer);
      waiting.reject(new NoAnswerError('The connection was lost'));
    }
    this.#waiting.clear();
  }
}
