// Stand-ins for what a browser gives the client: time, chance, sockets and answers.

/** A clock that moves only when a test says so. */
export class FakeClock {
  /** @type {{ at: number, id: number, callback: () => void }[]} */
  #timers = [];
  #time = 1_000_000;
  #lastId = 0;
  /** What `random` answers. */
  chance = 0.5;

  now = () => this.#time;
  random = () => this.chance;

  /** @param {() => void} callback @param {number} ms */
  setTimeout = (callback, ms) => {
    this.#lastId += 1;
    this.#timers.push({ at: this.#time + ms, id: this.#lastId, callback });
    return this.#lastId;
  };

  /** @param {number | null} id */
  clearTimeout = (id) => {
    this.#timers = this.#timers.filter((timer) => timer.id !== id);
  };

  get timerCount() {
    return this.#timers.length;
  }

  /** Moves time on, ringing every timer on the way. @param {number} ms */
  async pass(ms) {
    const end = this.#time + ms;
    await settle();
    for (;;) {
      const next = this.#timers
        .filter((timer) => timer.at <= end)
        .sort((a, b) => a.at - b.at || a.id - b.id)[0];
      if (!next) break;
      this.#time = Math.max(this.#time, next.at);
      this.clearTimeout(next.id);
      next.callback();
      await settle();
    }
    this.#time = end;
    await settle();
  }

  /** The machine sleeps: time goes on, timers do not. @param {number} ms */
  sleep(ms) {
    this.#time += ms;
  }
}

/** Lets everything that waits for a promise go on. */
export async function settle() {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

/** Makes WebSocket classes that a test holds the other end of. */
export function fakeWebSockets() {
  /** @type {FakeWebSocket[]} */
  const opened = [];

  class FakeWebSocket {
    readyState = 0;
    /** @type {any[]} */
    sent = [];
    /** @type {((event: any) => void) | null} */
    onmessage = null;
    /** @type {((event: any) => void) | null} */
    onclose = null;
    /** @type {((event: any) => void) | null} */
    onerror = null;
    isClosedByClient = false;

    /** @param {string} url @param {string[]} protocols */
    constructor(url, protocols) {
      this.url = url;
      this.protocols = protocols;
      opened.push(this);
    }

    /** @param {string} text */
    send(text) {
      this.sent.push(JSON.parse(text));
    }

    close() {
      this.readyState = 3;
      this.isClosedByClient = true;
    }

    /** @param {any} frame */
    receive(frame) {
      this.onmessage?.({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) });
    }

    /** @param {object} [extra] */
    greet(extra = {}) {
      this.readyState = 1;
      this.receive({ type: 'hello', connection_id: 'c', user: null, heartbeat_ms: 25_000, ...extra });
    }

    /** @param {number} [code] */
    fall(code = 1006) {
      this.readyState = 3;
      this.onclose?.({ code, reason: '' });
    }

    /** The requests of an action, oldest first. @param {string} action */
    requests(action) {
      return this.sent.filter((frame) => frame.action === action);
    }

    /** Answers the last request of an action. @param {string} action @param {any} result */
    reply(action, result) {
      const request = this.requests(action).at(-1);
      this.receive({ request_id: request.request_id, action, ok: true, result });
    }
  }

  return {
    WebSocket: FakeWebSocket,
    opened,
    get last() {
      return /** @type {FakeWebSocket} */ (opened.at(-1));
    },
  };
}

export const ada = { id: 1, username: 'ada', display_name: 'Ada', avatar: null };
export const grace = { id: 2, username: 'grace', display_name: 'Grace', avatar: null };

/** @param {number} seq @param {object} [fields] @returns {any} */
export function post(seq, fields = {}) {
  return {
    id: `p${seq}`,
    room: 'lobby',
    seq,
    author: ada,
    text: `Post ${seq}`,
    images: [],
    reply_to: null,
    client_id: `c${seq}`,
    reactions: [],
    created_at: '2026-11-21T09:00:00.000000Z',
    edited_at: null,
    hidden: false,
    deleted: false,
    ...fields,
  };
}

/** @param {number} seq @param {string} type @param {any} data @param {string} [epoch] */
export function event(seq, type, data, epoch = 'k1') {
  const time = '2026-11-21T09:00:00.000000Z';
  return { type, room: 'lobby', epoch, seq, time, actor: ada, data };
}

/** @param {number} seq @param {object} [fields] */
export function created(seq, fields = {}) {
  return event(seq, 'post.created', post(seq, fields));
}

/**
 * @param {any[]} posts newest first
 * @param {object} [fields]
 * @returns {any}
 */
export function page(posts, fields = {}) {
  const seq = posts[0]?.seq ?? 0;
  return { room: 'lobby', epoch: 'k1', seq, results: posts, next: null, previous: null, ...fields };
}
