import { NoAnswerError, RefusedError } from './errors.js';

/** @import { Socket } from './socket.js' */
/** @import { Position, Replay, RoomEvent } from './wire.js' */

/**
 * How an event fits the place where the reader stands.
 * @enum {string}
 */
export const Fit = /** @type {const} */ ({
  NEXT: 'next',
  /** Known already. */
  OLD: 'old',
  /** Something before it is missing, or it belongs to another log. */
  HOLE: 'hole',
});

/** @typedef {typeof Fit[keyof typeof Fit]} FitName */

/** @typedef {{ room: string, epoch: string, seq: number, reason: string }} Gap */

/**
 * Somebody who follows a room. The position is theirs; the connection only asks for it.
 * @typedef {object} RoomSubscription
 * @property {string} room
 * @property {() => Position} position
 * @property {(event: RoomEvent) => FitName} deliver applies the event if it is the next one
 * @property {(gap: Gap) => void} gap the log cannot be replayed: refetch, go on from here
 * @property {(reason: string) => void} lose the room is not theirs to see any more
 */

/** The rooms one client follows, and the care that each gets every event once and in order. */
export class Subscriptions {
  /** @type {Map<string, RoomSubscription>} */
  #rooms = new Map();
  /** @type {Socket | null} */
  #socket = null;
  /** Rooms whose replay is on its way; their live events wait behind it on the server.
   * @type {Set<string>} */
  #resuming = new Set();
  /** The highest seq heard of, per room.
   * @type {Map<string, number>} */
  #heads = new Map();
  all() {
    return this.#rooms.values();
  }

  /** @param {RoomSubscription} subscription */
  add(subscription) {
    this.#rooms.set(subscription.room, subscription);
    if (this.#socket) this.#resume(subscription.room);
  }

  /** @param {string} room */
  remove(room) {
    if (this.#rooms.delete(room)) this.#socket?.send({ action: 'unsubscribe', rooms: [room] });
  }

  /**
   * @param {string} room
   * @param {string} reason
   */
  lose(room, reason) {
    const subscription = this.#rooms.get(room);
    this.#rooms.delete(room);
    subscription?.lose(reason);
  }

  /**
   * Takes up every room on a freshly opened socket.
   * @param {Socket} socket
   * @returns {Promise<void>} rejects with NoAnswerError or RefusedError when it did not come to it
   */
  async resumeOn(socket) {
    this.#socket = socket;
    await this.#ask([...this.#rooms.keys()]);
  }

  /** The socket is gone; positions stay. */
  pause() {
    this.#socket = null;
    this.#resuming.clear();
    this.#heads.clear();
  }

  /**
   * @param {any} frame
   * @returns {boolean} whether it was about a room's log
   */
  receive(frame) {
    if (frame.type === 'heartbeat') this.#compareHeads(frame.heads ?? {});
    else if (frame.type === 'gap') this.#rooms.get(frame.room)?.gap(frame);
    else if (frame.type === 'unsubscribed') this.lose(frame.room, frame.reason ?? '');
    else if (frame.seq && frame.room) this.#deliver(frame);
    else return false;
    return true;
  }

  /**
   * Takes the answer of subscribe or of a poll for one room.
   * @param {Replay} replay
   */
  take(replay) {
    const subscription = this.#rooms.get(replay.room);
    if (!subscription) return;
    if (replay.error) {
      this.lose(replay.room, replay.error.code);
      return;
    }
    if (replay.recovered === false) {
      subscription.gap({ ...replay, reason: replay.reason ?? '' });
      return;
    }
    for (const event of replay.events) subscription.deliver(event);
  }

  /** @param {RoomEvent} event */
  #deliver(event) {
    const subscription = this.#rooms.get(event.room);
    if (subscription?.deliver(event) !== Fit.HOLE) return;
    this.#heads.set(event.room, Math.max(event.seq, this.#heads.get(event.room) ?? 0));
    this.#resume(event.room);
  }

  /** @param {string} room */
  #resume(room) {
    if (this.#resuming.has(room)) return;
    // A lost answer is the socket's end before long, and its end begins everything anew.
    this.#ask([room]).catch(() => this.#socket?.probe());
  }

  /** @param {string[]} rooms */
  async #ask(rooms) {
    const socket = this.#socket;
    if (!socket || !rooms.length) return;
    const positions = rooms.map((room) => ({
      room,
      .../** @type {RoomSubscription} */ (this.#rooms.get(room)).position(),
    }));
    for (const room of rooms) this.#resuming.add(room);
    try {
      const result = await socket.request('subscribe', { rooms: positions });
      if (this.#socket !== socket) throw new NoAnswerError('The connection was lost');
      for (const replay of result.rooms ?? []) this.take(replay);
    } catch (error) {
      if (!(error instanceof RefusedError) || error.isPassing) throw error;
      // Not one of them could be had.
      for (const room of rooms) this.lose(room, error.code);
    } finally {
      for (const room of rooms) this.#resuming.delete(room);
    }
    this.#catchUp();
  }

  /**
   * The server names what it has sent before this frame; who stands lower has lost something.
   * @param {Record<string, number>} heads
   */
  #compareHeads(heads) {
    for (const [room, seq] of Object.entries(heads)) this.#heads.set(room, seq);
    this.#catchUp();
  }

  /** Resumes the rooms of which more has been heard than has come. */
  #catchUp() {
    for (const [room, head] of this.#heads) {
      const subscription = this.#rooms.get(room);
      if (subscription && subscription.position().seq < head) this.#resume(room);
    }
    this.#heads.clear();
  }
}
