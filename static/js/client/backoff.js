import { systemClock } from './clock.js';

/**
 * Full-jitter exponential backoff: a random wait up to min(cap, first · 2ⁿ), so that clients who
 * were cut off together do not come back together.
 */
export class Backoff {
  #attempt = 0;

  /**
   * @param {object} [options]
   * @param {number} [options.firstMs] the longest first wait
   * @param {number} [options.capMs] the longest wait of all
   * @param {() => number} [options.random]
   */
  constructor({ firstMs = 1_000, capMs = 20_000, random = systemClock.random } = {}) {
    this.firstMs = firstMs;
    this.capMs = capMs;
    this.random = random;
  }

  /** How long to wait now, in milliseconds; each call doubles the range of the next one. */
  nextMs() {
    // 2 ** 30 is beyond every cap; the bound keeps the number finite after days offline.
    const ceiling = Math.min(this.capMs, this.firstMs * 2 ** Math.min(this.#attempt, 30));
    this.#attempt += 1;
    return Math.floor(this.random() * ceiling);
  }

  reset() {
    this.#attempt = 0;
  }
}
