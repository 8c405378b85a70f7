/** The longest that requests are spaced for good: 20 per second, what every connection may ask. */
const SPACING_MAX_MS = 50;
/** What a late timer may make up for. */
const CREDIT_MS = 100;

/** @import { Clock } from './clock.js' */

/** Lets requests go one after another: as they like until the server objects, then at its rate. */
export class Pace {
  #nextAt = 0;
  #spacingMs = 0;
  /** @type {Promise<void>} */
  #last = Promise.resolve();

  /** @param {Clock} clock */
  constructor(clock) {
    this.clock = clock;
  }

  /** @returns {Promise<void>} resolves when the next request may go */
  turn() {
    this.#last = this.#last.then(() => this.#wait());
    return this.#last;
  }

  /**
   * Hears of a refusal. The server's bucket is empty then; one more request fits in every
   * `retryAfterMs`, which is its rate.
   * @param {number} retryAfterMs
   */
  slowDown(retryAfterMs) {
    this.#nextAt = Math.max(this.#nextAt, this.clock.now() + retryAfterMs);
    this.#spacingMs = Math.max(this.#spacingMs, Math.min(retryAfterMs, SPACING_MAX_MS));
  }

  /** Begins anew: a new connection has a full bucket. */
  reset() {
    this.#nextAt = this.#spacingMs = 0;
  }

  async #wait() {
    let waitMs;
    while ((waitMs = this.#nextAt - this.clock.now()) > 0) {
      const ms = waitMs;
      await new Promise((resolve) => this.clock.setTimeout(() => resolve(null), ms));
    }
    this.#nextAt = Math.max(this.#nextAt, this.clock.now() - CREDIT_MS) + this.#spacingMs;
  }
}
