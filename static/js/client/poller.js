import { RefusedError } from './errors.js';

/** @import { Clock } from './clock.js' */
/** @import { Position, Replay } from './wire.js' */
/** @import { RoomSubscription } from './subscriptions.js' */

/**
 * Asks once what is new in a room. Answers null when nothing is, as cheaply as the server can.
 * Rejects with a RefusedError or a NoAnswerError.
 * @callback Poll
 * @param {string} room
 * @param {Position} position
 * @param {AbortSignal} signal
 * @returns {Promise<Replay | null>}
 */

/**
 * @typedef {object} PollListener
 * @property {(replay: Replay) => void} replayed
 * @property {(subscription: RoomSubscription, error: RefusedError) => void} refused for good
 * @property {(reason: string) => void} answered a whole round has an answer
 * @property {(reason: string) => void} failed nobody answers, or only with faults
 */

/** Asks every `intervalMs` after the last answer, for networks that let no WebSocket through. */
export class Poller {
  /** @type {AbortController | null} */
  #round = null;
  /** @type {number | null} */
  #timer = null;
  /** When the next round begins, in the clock's milliseconds; null while none is waiting.
   * @type {number | null} */
  nextAt = null;

  /**
   * @param {object} options
   * @param {Poll} options.poll
   * @param {() => Iterable<RoomSubscription>} options.subscriptions
   * @param {Clock} options.clock
   * @param {PollListener} options.listener
   * @param {number} [options.intervalMs]
   */
  constructor({ poll, subscriptions, clock, listener, intervalMs = 10_000 }) {
    this.poll = poll;
    this.subscriptions = subscriptions;
    this.clock = clock;
    this.listener = listener;
    this.intervalMs = intervalMs;
  }

  get isRunning() {
    return this.#round !== null;
  }

  /** Begins at once; does nothing when it is already under way. */
  start() {
    if (!this.isRunning) void this.#ask();
  }

  /** Ends; an answer that is still on its way is not taken any more. */
  stop() {
    this.#round?.abort();
    this.#round = null;
    this.clock.clearTimeout(this.#timer);
    this.nextAt = null;
  }

  /** Begins the next round now, if one is waiting. */
  hurry() {
    if (this.nextAt === null) return;
    this.clock.clearTimeout(this.#timer);
    void this.#ask();
  }

  async #ask() {
    const round = (this.#round = new AbortController());
    this.nextAt = null;
    let waitMs = this.intervalMs;
    try {
      for (const subscription of [...this.subscriptions()]) {
        await this.#askRoom(subscription, round.signal);
      }
      if (!round.signal.aborted) this.listener.answered('poll');
    } catch (error) {
      if (round.signal.aborted) return;
      if (error instanceof RefusedError) waitMs = Math.max(waitMs, error.retryAfterMs ?? 0);
      this.listener.failed(error instanceof Error ? error.message : String(error));
    }
    // A listener may have stopped us.
    if (round.signal.aborted) return;
    this.nextAt = this.clock.now() + waitMs;
    this.#timer = this.clock.setTimeout(() => void this.#ask(), waitMs);
  }

  /**
   * @param {RoomSubscription} subscription
   * @param {AbortSignal} signal
   */
  async #askRoom(subscription, signal) {
    try {
      const replay = await this.poll(subscription.room, subscription.position(), signal);
      if (replay && !signal.aborted) this.listener.replayed(replay);
    } catch (error) {
      if (!(error instanceof RefusedError) || error.isPassing) throw error;
      if (!signal.aborted) this.listener.refused(subscription, error);
    }
  }
}
