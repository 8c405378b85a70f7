import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Connection } from '../../static/js/client/connection.js';
import { NoAnswerError, RefusedError } from '../../static/js/client/errors.js';
import { RoomStore } from '../../static/js/client/room-store.js';
import { FakeClock, created, fakeWebSockets, page, post, settle } from './fakes.js';

/** A connection that follows the lobby from seq 1, with every other end in the test's hands. */
function setUp() {
  const clock = new FakeClock();
  const sockets = fakeWebSockets();
  const store = new RoomStore(page([post(1)]));
  /** @type {any[]} */
  const log = [];
  /** @type {{ answer: (position: any) => Promise<any>, count: number }} */
  const polling = { answer: () => Promise.reject(new NoAnswerError('down')), count: 0 };
  const connection = new Connection({
    url: 'ws://test/ws/',
    WebSocket: sockets.WebSocket,
    clock,
    poll: (_room, position) => {
      polling.count += 1;
      return polling.answer(position);
    },
  });
  connection.on('transition', ({ to }) => log.push(to));
  connection.subscribe({
    room: 'lobby',
    position: () => store.position,
    deliver: (event) => store.apply(event),
    gap: (gap) => {
      log.push(`gap ${gap.reason}`);
      store.moveTo(gap);
    },
    lose: (reason) => log.push(`lost ${reason}`),
  });
  connection.start();

  /** @param {any[]} [events] */
  const replay = (events = []) => {
    const seq = events.at(-1)?.seq ?? store.position.seq;
    return { room: 'lobby', epoch: 'k1', seq, recovered: true, events };
  };
  /** @param {any[]} [events] */
  const goLive = async (events) => {
    sockets.last.greet();
    sockets.last.reply('subscribe', { rooms: [replay(events)] });
    await settle();
  };
  const seqs = () => store.posts().map(({ seq }) => seq);
  return { clock, sockets, store, log, polling, connection, replay, goLive, seqs };
}

test('it says hello, resumes from its position, and only then calls itself live', async () => {
  const { sockets, log, goLive, seqs, connection } = setUp();
  assert.deepEqual(sockets.last.protocols, ['picturegram.v1.json']);
  sockets.last.greet();
  await settle();
  assert.equal(connection.state, 'connecting');
  assert.deepEqual(sockets.last.requests('subscribe')[0].rooms, [
    { room: 'lobby', epoch: 'k1', seq: 1 },
  ]);
  await goLive([created(2), created(3)]);
  assert.deepEqual(log, ['connecting', 'live']);
  assert.deepEqual(seqs(), [3, 2, 1]);
});

test('live events are applied in order, repeated ones once', async () => {
  const { sockets, goLive, seqs } = setUp();
  await goLive();
  for (const seq of [2, 2, 3, 1, 3]) sockets.last.receive(created(seq));
  assert.deepEqual(seqs(), [3, 2, 1]);
});

test('a hole is asked for, and the answer fills it', async () => {
  const { sockets, goLive, seqs, replay } = setUp();
  await goLive();
  sockets.last.receive(created(4));
  sockets.last.receive(created(5));
  assert.equal(sockets.last.requests('subscribe').length, 2, 'one question for one hole');
  sockets.last.reply('subscribe', { rooms: [replay([created(2), created(3), created(4)])] });
  await settle();
  // 5 was heard of while the answer was on its way.
  assert.equal(sockets.last.requests('subscribe').length, 3);
  sockets.last.reply('subscribe', { rooms: [replay([created(5)])] });
  await settle();
  assert.deepEqual(seqs(), [5, 4, 3, 2, 1]);
});

test('a heartbeat is answered at once, and a head above ours is asked for', async () => {
  const { sockets, goLive, clock } = setUp();
  await goLive();
  sockets.last.receive({ type: 'heartbeat', heads: { lobby: 1 } });
  assert.equal(sockets.last.requests('ping').length, 1);
  assert.equal(sockets.last.requests('subscribe').length, 1);
  sockets.last.receive({ type: 'heartbeat', heads: { lobby: 2 } });
  assert.equal(sockets.last.requests('subscribe').length, 2);
  await clock.pass(0);
});

test('a position that cannot be resumed is told as a gap, live all the same', async () => {
  const { sockets, log, store, connection } = setUp();
  sockets.last.greet();
  const refused = { room: 'lobby', epoch: 'k2', seq: 9, recovered: false, reason: 'epoch_changed' };
  sockets.last.reply('subscribe', { rooms: [{ ...refused, events: [] }] });
  await settle();
  assert.deepEqual(log, ['connecting', 'gap epoch_changed', 'live']);
  sockets.last.receive({ ...created(10), epoch: 'k2' });
  assert.deepEqual(store.position, { epoch: 'k2', seq: 10 });
  sockets.last.receive({ type: 'gap', room: 'lobby', epoch: 'k3', seq: 4, reason: 'seq_ahead' });
  assert.deepEqual(store.position, { epoch: 'k3', seq: 4 });
  assert.equal(connection.state, 'live');
});

test('a lost socket is reconnected with jitter and resumed from where we are', async () => {
  const { sockets, clock, log, goLive, connection } = setUp();
  await goLive();
  sockets.last.receive(created(2));
  sockets.last.fall(1006);
  assert.equal(connection.state, 'reconnecting');
  assert.equal(connection.retryAt, clock.now() + 500);
  await clock.pass(499);
  assert.equal(sockets.opened.length, 1);
  await clock.pass(1);
  sockets.last.greet();
  assert.equal(sockets.last.requests('subscribe')[0].rooms[0].seq, 2);
  await goLive();
  assert.deepEqual(log, ['connecting', 'live', 'reconnecting', 'live']);
});

test('the waits grow while connections do not last, and begin anew after a steady one', async () => {
  const { sockets, clock, goLive, connection } = setUp();
  for (const expected of [500, 1000, 2000]) {
    await goLive();
    sockets.last.fall(4210);
    const wait = /** @type {number} */ (connection.retryAt) - clock.now();
    assert.equal(wait, expected);
    await clock.pass(wait);
  }
  await goLive();
  await clock.pass(10_000);
  sockets.last.fall(1012);
  assert.equal(/** @type {number} */ (connection.retryAt) - clock.now(), 500);
});

test('40xx stops for good', async () => {
  const { sockets, clock, goLive, connection, log } = setUp();
  await goLive();
  const farewell = { type: 'disconnect', code: 4001, reason: 'signed_out', reconnect: false };
  sockets.last.receive(farewell);
  /** @type {any} */
  let last;
  connection.on('transition', (transition) => (last = transition));
  sockets.last.fall(4001);
  assert.deepEqual(last, { from: 'live', to: 'stopped', reason: 'signed_out', code: 4001 });
  await clock.pass(600_000);
  assert.equal(sockets.opened.length, 1);
  assert.equal(clock.timerCount, 0);
  assert.equal(log.at(-1), 'stopped');
});

test('41xx comes back when the server said so', async () => {
  const { sockets, clock, goLive, connection } = setUp();
  await goLive();
  sockets.last.receive({ type: 'disconnect', code: 4113, reason: 'draining', retry_after_ms: 2350 });
  sockets.last.fall(4113);
  assert.equal(/** @type {number} */ (connection.retryAt) - clock.now(), 2350);
  await clock.pass(2350);
  assert.equal(sockets.opened.length, 2);
});

test('silence ends a socket, and frames keep it', async () => {
  const { sockets, clock, goLive, connection } = setUp();
  await goLive();
  for (let beat = 0; beat < 5; beat += 1) {
    await clock.pass(25_000);
    sockets.last.receive({ type: 'heartbeat', heads: {} });
  }
  assert.equal(connection.state, 'live');
  await clock.pass(70_000);
  assert.equal(sockets.opened[0]?.isClosedByClient, true);
  assert.notEqual(connection.state, 'live');
});

test('after sleep the socket is asked whether it lives', async () => {
  const { sockets, clock, goLive, connection } = setUp();
  await goLive();
  clock.sleep(30_000);
  await clock.pass(0);
  assert.equal(sockets.last.requests('ping').length, 1);
  sockets.last.receive({ action: 'ping', ok: true, result: { heads: { lobby: 1 } } });
  await clock.pass(10_000);
  assert.equal(connection.state, 'live');
  clock.sleep(30_000);
  await clock.pass(0);
  await clock.pass(5_000);
  assert.equal(connection.state, 'reconnecting', 'no answer to the second question');
});

test('an upgrade without hello is a failure', async () => {
  const { sockets, clock, connection } = setUp();
  sockets.last.readyState = 1;
  await clock.pass(10_000);
  assert.equal(connection.state, 'reconnecting');
  assert.equal(sockets.opened[0]?.isClosedByClient, true);
});

test('blocked sockets lead to polling within seconds, and back without double or gap', async () => {
  const { sockets, clock, polling, log, seqs, replay, goLive, connection } = setUp();
  polling.answer = async () => replay([created(2)]);
  sockets.last.fall();
  await clock.pass(500);
  sockets.last.fall();
  await settle();
  assert.equal(connection.state, 'polling');
  assert.deepEqual(seqs(), [2, 1]);
  polling.answer = async (position) => (position.seq === 2 ? replay([created(3)]) : null);
  await clock.pass(1000);
  sockets.last.fall();
  await clock.pass(9000);
  assert.deepEqual(seqs(), [3, 2, 1]);
  assert.equal(polling.count, 2);
  // The socket gets through while a poll is on its way; the poll's answer comes too late.
  /** @type {(value: any) => void} */
  let answerLate = () => {};
  polling.answer = () => new Promise((resolve) => (answerLate = resolve));
  connection.retryNow();
  sockets.last.fall();
  await settle();
  await clock.pass(10_000);
  await goLive([created(4)]);
  answerLate({ room: 'lobby', epoch: 'k9', seq: 1, recovered: false, reason: 'trimmed', events: [] });
  await clock.pass(60_000);
  assert.deepEqual(seqs(), [4, 3, 2, 1]);
  assert.deepEqual(log.slice(0, 4), ['connecting', 'reconnecting', 'polling', 'live']);
});

test('when nobody answers it is offline, and says so until somebody does', async () => {
  const { sockets, clock, polling, connection, goLive, log } = setUp();
  await goLive();
  const contactAt = connection.lastContactAt;
  for (let failure = 0; failure < 3; failure += 1) {
    sockets.last.fall();
    await clock.pass(20_000);
  }
  assert.equal(connection.state, 'offline');
  assert.equal(connection.lastContactAt, contactAt);
  polling.answer = async () => null;
  connection.retryNow();
  sockets.last.fall();
  await settle();
  assert.equal(connection.state, 'polling');
  assert.equal(connection.lastContactAt, clock.now());
  assert.deepEqual(log, ['connecting', 'live', 'reconnecting', 'offline', 'polling']);
});

test('polling slows down when the server asks for it, and re-arms', async () => {
  const { sockets, clock, polling, connection } = setUp();
  const busy = { code: 'rate_limited', message: '', retry_after_ms: 30_000 };
  polling.answer = () => Promise.reject(new RefusedError(busy, 429));
  sockets.last.fall();
  await clock.pass(500);
  sockets.last.fall();
  await settle();
  assert.equal(polling.count, 1);
  polling.answer = async () => null;
  await clock.pass(29_999);
  assert.equal(polling.count, 1);
  await clock.pass(1);
  assert.equal(polling.count, 2);
  await clock.pass(30_000);
  assert.equal(polling.count, 5);
  connection.stop();
  await clock.pass(60_000);
  assert.equal(polling.count, 5);
  assert.equal(clock.timerCount, 0);
});

test('a room that is not ours any more is told as lost, on a socket or by a poll', async () => {
  const onSocket = setUp();
  await onSocket.goLive();
  onSocket.sockets.last.receive({ type: 'unsubscribed', room: 'lobby', reason: 'removed' });
  assert.equal(onSocket.log.at(-1), 'lost removed');

  const atResume = setUp();
  atResume.sockets.last.greet();
  const { request_id } = atResume.sockets.last.requests('subscribe')[0];
  const error = { code: 'not_found', message: 'No such room' };
  atResume.sockets.last.receive({ request_id, ok: false, error });
  await settle();
  assert.deepEqual(atResume.log, ['connecting', 'lost not_found', 'live']);

  const byPoll = setUp();
  byPoll.polling.answer = () => Promise.reject(new RefusedError(error, 404));
  byPoll.sockets.last.fall();
  await byPoll.clock.pass(500);
  byPoll.sockets.last.fall();
  await settle();
  assert.ok(byPoll.log.includes('lost not_found'));
});

test('one room of several that cannot be had does not spoil the others', async () => {
  const { sockets, connection, log, replay } = setUp();
  connection.subscribe({
    room: 'studio',
    position: () => ({ epoch: 'p1', seq: 7 }),
    deliver: () => 'old',
    gap: () => {},
    lose: (reason) => log.push(`studio lost ${reason}`),
  });
  sockets.last.greet();
  assert.equal(sockets.last.requests('subscribe')[0].rooms.length, 2);
  const error = { code: 'not_found', message: '' };
  sockets.last.reply('subscribe', { rooms: [{ room: 'studio', error }, replay([created(2)])] });
  await settle();
  assert.deepEqual(log, ['connecting', 'studio lost not_found', 'live']);
});

test('a refusal that may pass is waited for', async () => {
  const { sockets, clock, connection } = setUp();
  sockets.last.greet();
  const { request_id } = sockets.last.requests('subscribe')[0];
  const error = { code: 'rate_limited', message: '', retry_after_ms: 4000 };
  sockets.last.receive({ request_id, ok: false, error });
  await settle();
  assert.equal(connection.state, 'reconnecting');
  assert.equal(/** @type {number} */ (connection.retryAt) - clock.now(), 4000);
});

test('a subscribe without an answer is started over', async () => {
  const { sockets, clock, connection, goLive } = setUp();
  sockets.last.greet();
  await clock.pass(10_000);
  assert.equal(sockets.opened[0]?.isClosedByClient, true);
  await clock.pass(500);
  await goLive();
  assert.equal(connection.state, 'live');
});

test('a WebSocket that cannot even be built counts as blocked', async () => {
  const clock = new FakeClock();
  const connection = new Connection({
    url: 'ws://test/ws/',
    clock,
    WebSocket: class {
      constructor() {
        throw new Error('forbidden by policy');
      }
    },
    poll: async () => null,
  });
  connection.start();
  await clock.pass(2000);
  assert.equal(connection.state, 'polling');
});

test('stop leaves nothing behind, and start comes back', async () => {
  const { sockets, clock, connection, goLive } = setUp();
  await goLive();
  connection.stop();
  assert.equal(connection.state, 'stopped');
  assert.equal(clock.timerCount, 0);
  connection.start();
  await goLive();
  assert.equal(connection.state, 'live');
  assert.equal(sockets.opened.length, 2);
});

test('requests are paired with their replies, however these overtake each other', async () => {
  const { sockets, connection, goLive, clock } = setUp();
  await goLive();
  const first = connection.request('reaction.add', { post_id: 'p1', emoji: '🎉' });
  const second = connection.request('ping');
  sockets.last.reply('ping', { heads: {} });
  sockets.last.reply('reaction.add', { count: 1 });
  assert.deepEqual(await second, { heads: {} });
  assert.deepEqual(await first, { count: 1 });
  const lost = assert.rejects(connection.request('ping'), NoAnswerError);
  await clock.pass(10_000);
  await lost;
  const cut = assert.rejects(connection.request('ping'), NoAnswerError);
  sockets.last.fall();
  await cut;
  await assert.rejects(connection.request('ping'), NoAnswerError);
});

test('frames without a place in a log are handed on', async () => {
  const { sockets, connection, goLive } = setUp();
  await goLive();
  /** @type {any[]} */
  const frames = [];
  connection.on('volatile', (frame) => frames.push(frame));
  sockets.last.receive({ type: 'typing.updated', room: 'lobby', user: 'grace' });
  sockets.last.receive('not JSON at all');
  assert.deepEqual(frames.map(({ type }) => type), ['typing.updated']);
});
