import { Fit } from './subscriptions.js';

/** @import { Kind } from './subscriptions.js' */

/**
 * What has come and nobody has taken yet: a bounded queue, read by `for await`, each event once.
 * A full one takes no more; what has a position is fetched again once there is room.
 * @implements {AsyncIterable<any>}
 */
export class Feed {
  /** @type {any[]} */
  #events = [];
  /** @type {{ resolve: (result: IteratorResult<any>) => void, reject: (error: Error) => void }[]} */
  #readers = [];
  #isOver = false;
  /** @type {Error | null} */
  #error = null;

  /**
   * @param {number} sizeMax
   * @param {() => void} [drained] called when there is room again
   */
  constructor(sizeMax, drained = () => {}) {
    this.sizeMax = sizeMax;
    this.drained = drained;
  }

  /** @param {any} event @returns {boolean} false when it is full */
  put(event) {
    if (this.#events.length >= this.sizeMax) return false;
    this.insist(event);
    return true;
  }

  /** Adds what must not be missed, such as a gap, however full it is. @param {any} event */
  insist(event) {
    const reader = this.#readers.shift();
    if (reader) reader.resolve({ value: event, done: false });
    else this.#events.push(event);
  }

  /** Lets readers end, or fail, once they have taken what is left. @param {Error | null} error */
  end(error = null) {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    for (const { resolve, reject } of this.#readers.splice(0)) {
      if (error) reject(error);
      else resolve({ value: undefined, done: true });
    }
  }

  /** @returns {Promise<IteratorResult<any>>} */
  next() {
    if (this.#events.length) {
      const value = this.#events.shift();
      if (this.#events.length === this.sizeMax >> 1) this.drained();
      return Promise.resolve({ value, done: false });
    }
    if (this.#error) return Promise.reject(this.#error);
    if (this.#isOver) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}

/** Follows one room or topic into a feed, and remembers where it stands. */
export class Follower {
  /** Whether something was left out because the feed was full. */
  isBehind = false;
  #epoch = '';
  #number = 0;

  /**
   * @param {Kind} kind
   * @param {string} name
   * @param {any} position as the wire has it
   * @param {Feed} feed
   */
  constructor(kind, name, position, feed) {
    this.kind = kind;
    this.name = name;
    this.room = this.topic = name;
    this.feed = feed;
    this.#move(position);
  }

  /** @returns {any} as the wire has it */
  position() {
    return { epoch: this.#epoch, [this.kind.number]: this.#number };
  }

  /** @param {any} event */
  deliver(event) {
    const number = event[this.kind.number];
    if (event.epoch !== this.#epoch) return Fit.HOLE;
    if (number <= this.#number) return Fit.OLD;
    // What was left out is asked for when there is room.
    if (number > this.#number + 1) return this.isBehind ? Fit.OLD : Fit.HOLE;
    this.isBehind = !this.feed.put(event);
    if (this.isBehind) return Fit.OLD;
    this.#number = number;
    return Fit.NEXT;
  }

  /** @param {any} gap */
  gap(gap) {
    this.#move(gap);
    this.isBehind = false;
    const { reason } = gap;
    this.feed.insist({ type: 'gap', [this.kind.name]: this.name, ...this.position(), reason });
  }

  /** @param {string} reason */
  lose(reason) {
    this.feed.insist({ type: 'unsubscribed', [this.kind.name]: this.name, reason });
  }

  /** @param {any} position */
  #move(position) {
    this.#epoch = position.epoch;
    this.#number = position[this.kind.number];
  }
}
