import { NoAnswerError, RefusedError } from './errors.js';

/** @import { Socket } from './socket.js' */
/** @import { Position, Replay, RoomEvent, TopicEvent, TopicPosition } from './wire.js' */

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
/** @typedef {{ topic: string, epoch: string, offset: number, reason: string }} TopicGap */

/**
 * Somebody who follows a room. The position is theirs; the connection only asks for it.
 * @typedef {object} RoomSubscription
 * @property {string} room
 * @property {() => Position} position
 * @property {(event: RoomEvent) => FitName} deliver applies the event if it is the next one
 * @property {(gap: Gap) => void} gap the log cannot be replayed: refetch, go on from here
 * @property {(reason: string) => void} lose the room is not theirs to see any more
 */

/**
 * Somebody who follows a topic.
 * @typedef {object} TopicSubscription
 * @property {string} topic
 * @property {() => TopicPosition} position
 * @property {(event: TopicEvent) => FitName} deliver applies the event if it is the next one
 * @property {(gap: TopicGap) => void} gap
 * @property {(reason: string) => void} lose
 */

/**
 * How rooms and topics differ on the wire.
 * @typedef {object} Kind
 * @property {'rooms' | 'topics'} plural the member of subscribe
 * @property {'room' | 'id'} id names one in subscribe
 * @property {'room' | 'topic'} name names one in an event
 * @property {'seq' | 'offset'} number
 */

/** @type {Kind} */
export const ROOMS = { plural: 'rooms', id: 'room', name: 'room', number: 'seq' };
/** @type {Kind} */
export const TOPICS = { plural: 'topics', id: 'id', name: 'topic', number: 'offset' };

/**
 * The rooms, or the topics, that one client follows, and the care that each gets every event once
 * and in order.
 * @template {RoomSubscription | TopicSubscription} [S=RoomSubscription]
 */
export class Subscriptions {
  /** @type {Map<string, S>} */
  #all = new Map();
  /** @type {Socket | null} */
  #socket = null;
  /** Those whose replay is on its way; their live events wait behind it on the server.
   * @type {Set<string>} */
  #resuming = new Set();
  /** The highest number heard of, by name.
   * @type {Map<string, number>} */
  #heads = new Map();

  /** @param {Kind} [kind] */
  constructor(kind = ROOMS) {
    this.kind = kind;
  }

  all() {
    return this.#all.values();
  }

  /** @param {string} name */
  has(name) {
    return this.#all.has(name);
  }

  /** @param {S} subscription */
  add(subscription) {
    const name = this.#nameIn(subscription);
    this.#all.set(name, subscription);
    this.catchUp(name);
  }

  /** @param {string} name */
  remove(name) {
    if (!this.#all.delete(name)) return;
    this.#socket?.send({ action: 'unsubscribe', [this.kind.plural]: [this.#asked(name)] });
  }

  /**
   * @param {string} name
   * @param {string} reason
   */
  lose(name, reason) {
    const subscription = this.#all.get(name);
    this.#all.delete(name);
    subscription?.lose(reason);
  }

  /**
   * Takes up every one on a freshly opened socket.
   * @param {Socket} socket
   * @returns {Promise<void>} rejects with NoAnswerError or RefusedError when it did not come to it
   */
  async resumeOn(socket) {
    this.#socket = socket;
    await this.#ask([...this.#all.keys()]);
  }

  /** The socket is gone; positions stay. */
  pause() {
    this.#socket = null;
    this.#resuming.clear();
    this.#heads.clear();
  }

  /**
   * @param {any} frame
   * @returns {boolean} whether it was about one of ours, or a log of our kind
   */
  receive(frame) {
    const { name, number } = this.kind;
    if (frame.type === 'heartbeat') {
      if (this.kind === ROOMS) this.#compareHeads(frame.heads ?? {});
    } else if (!frame[name]) return false;
    else if (frame.type === 'gap') this.#all.get(frame[name])?.gap(frame);
    else if (frame.type === 'unsubscribed') this.lose(frame[name], frame.reason ?? '');
    else if (!frame[number] || (this.kind === TOPICS && !this.#all.has(frame[name]))) return false;
    else this.#deliver(frame);
    return true;
  }

  /**
   * Takes the answer of subscribe or of a poll for one of them.
   * @param {any} replay
   */
  take(replay) {
    const name = replay[this.kind.id];
    const subscription = this.#all.get(name);
    if (!subscription) return;
    if (replay.error) {
      this.lose(name, replay.error.code);
      return;
    }
    if (replay.recovered === false) {
      subscription.gap({ ...replay, [this.kind.name]: name, reason: replay.reason ?? '' });
      return;
    }
    for (const event of replay.events) subscription.deliver(event);
  }

  /** Asks for what came after its position, if there is a socket. @param {string} name */
  catchUp(name) {
    if (!this.#socket || this.#resuming.has(name)) return;
    // A lost answer is the socket's end before long, and its end begins everything anew.
    this.#ask([name]).catch(() => this.#socket?.probe());
  }

  /** @param {any} event */
  #deliver(event) {
    const name = event[this.kind.name];
    const number = event[this.kind.number];
    if (this.#all.get(name)?.deliver(event) !== Fit.HOLE) return;
    this.#heads.set(name, Math.max(number, this.#heads.get(name) ?? 0));
    this.catchUp(name);
  }

  /** @param {string[]} names */
  async #ask(names) {
    const socket = this.#socket;
    if (!socket || !names.length) return;
    const asked = names.map((name) => ({ ...this.#asked(name), ...this.#all.get(name)?.position() }));
    for (const name of names) this.#resuming.add(name);
    try {
      const result = await socket.request('subscribe', { [this.kind.plural]: asked });
      if (this.#socket !== socket) throw new NoAnswerError('The connection was lost');
      for (const replay of result[this.kind.plural] ?? []) this.take(replay);
    } catch (error) {
      if (!(error instanceof RefusedError) || error.isPassing) throw error;
      if (names.length === 1) this.lose(/** @type {string} */ (names[0]), error.code);
      // One that cannot be had refuses them all.
      else for (const name of names) await this.#ask([name]);
    } finally {
      for (const name of names) this.#resuming.delete(name);
    }
    this.#catchUpAll();
  }

  /**
   * The server names what it has sent before this frame; who stands lower has lost something.
   * @param {Record<string, number>} heads
   */
  #compareHeads(heads) {
    for (const [name, number] of Object.entries(heads)) this.#heads.set(name, number);
    this.#catchUpAll();
  }

  /** Resumes those of which more has been heard than has come. */
  #catchUpAll() {
    for (const [name, head] of this.#heads) {
      const position = /** @type {any} */ (this.#all.get(name)?.position());
      if (position && position[this.kind.number] < head) this.catchUp(name);
    }
    this.#heads.clear();
  }

  /** What names one in subscribe and unsubscribe. @param {string} name */
  #asked(name) {
    return { [this.kind.id]: name };
  }

  /** @param {S} subscription */
  #nameIn(subscription) {
    return 'topic' in subscription ? subscription.topic : subscription.room;
  }
}
