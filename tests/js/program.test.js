import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  Client,
  NoAnswerError,
  RefusedError,
  StoppedError,
} from '../../static/js/client/program.js';
import { FakeClock, created, fakeWebSockets, settle } from './fakes.js';

/** A client that is live, with every other end in the test's hands. @param {object} [options] */
async function setUp(options = {}) {
  const clock = new FakeClock();
  const sockets = fakeWebSockets();
  const fetch = () => Promise.reject(new Error('down'));
  const { WebSocket } = sockets;
  const client = new Client('ws://test/ws/', { token: 'pgk_1_x', WebSocket, fetch, clock, ...options });
  const starting = client.start();
  await settle();
  sockets.last.greet();
  await starting;

  /** @param {number} seq */
  const follow = async (seq) => {
    const subscribing = client.subscribe('lobby');
    await settle();
    sockets.last.reply('subscribe', { rooms: [{ room: 'lobby', epoch: 'k1', seq, events: [] }] });
    await subscribing;
    replay([]);
    await settle();
  };
  /** @param {any[]} events */
  const replay = (events) => {
    const seq = events.at(-1)?.seq ?? 0;
    const rooms = [{ room: 'lobby', epoch: 'k1', seq, recovered: true, events }];
    sockets.last.reply('subscribe', { rooms });
  };
  /** Loses the connection and gets another one. */
  const reconnect = async () => {
    sockets.last.fall();
    await clock.pass(1_000);
    sockets.last.greet();
    await settle();
  };
  return { client, clock, sockets, follow, replay, reconnect };
}

/** @param {Client} client @param {number} count */
async function seqs(client, count) {
  const events = client.events()[Symbol.asyncIterator]();
  const found = [];
  while (found.length < count) found.push((await events.next()).value.seq);
  return found;
}

test('a program shows its token as a sub-protocol', async () => {
  const { sockets } = await setUp();
  assert.deepEqual(sockets.last.protocols, ['picturegram.v1.json', 'picturegram.bearer.pgk_1_x']);
  assert.equal(sockets.last.url, 'ws://test/ws/');
});

test('a create is asked for again under the same client_id, anything else is unknown', async () => {
  const { client, sockets, reconnect } = await setUp();
  const posting = client.post('lobby', 'Hello');
  const reacting = client.request('reaction.add', { post_id: 'p1', emoji: '🎉' });
  const unknown = assert.rejects(reacting, NoAnswerError);
  await settle();
  const [first] = sockets.last.requests('post.create');
  await reconnect();
  await unknown;
  const [again] = sockets.last.requests('post.create');
  assert.equal(again.client_id, first.client_id);
  assert.deepEqual(sockets.last.requests('reaction.add'), []);
  sockets.last.reply('post.create', { id: 'p1' });
  assert.deepEqual(await posting, { id: 'p1' });
});

test('a refusal for the moment is waited out, a final one is told', async () => {
  const { client, clock, sockets } = await setUp();
  const pinging = client.request('ping');
  await settle();
  const { request_id } = sockets.last.requests('ping')[0];
  const error = { code: 'rate_limited', message: 'Wait.', retry_after_ms: 300 };
  sockets.last.receive({ request_id, ok: false, error });
  await clock.pass(299);
  assert.equal(sockets.last.requests('ping').length, 1);
  await clock.pass(1);
  assert.equal(sockets.last.requests('ping').length, 2);
  sockets.last.reply('ping', { heads: {} });
  assert.deepEqual(await pinging, { heads: {} });

  const refused = assert.rejects(client.request('nope'), RefusedError);
  await clock.pass(50);
  const { request_id: number } = sockets.last.requests('nope')[0];
  sockets.last.receive({ request_id: number, ok: false, error: { code: 'unknown_action' } });
  await refused;
});

test('a stream ends with its end mark and is cancelled when it is left early', async () => {
  const { client, sockets } = await setUp();
  const items = [];
  for await (const item of ask()) items.push(item);
  assert.deepEqual(items, [1, 2]);
  for await (const _ of ask()) break;
  await settle();
  const [, second] = sockets.last.requests('history');
  assert.equal(sockets.last.requests('cancel').length, 1);
  assert.equal(sockets.last.requests('cancel')[0].request_id, second.request_id);

  /** Asks, and answers with two items; the second time without an end. */
  function ask() {
    const stream = client.stream('history', { room: 'lobby' });
    void (async () => {
      await settle();
      const asked = sockets.last.requests('history');
      const { request_id } = /** @type {any} */ (asked.at(-1));
      sockets.last.receive({ request_id, result: 1 });
      sockets.last.receive({ request_id, result: 2 });
      if (asked.length === 1) sockets.last.receive({ request_id, done: true, count: 2 });
    })();
    return stream;
  }
});

test('events that come with the reply and after it are handed out once and in order', async () => {
  const { client, sockets, follow, reconnect, replay } = await setUp();
  await follow(1);
  sockets.last.receive(created(2));
  await reconnect();
  assert.deepEqual(sockets.last.requests('subscribe')[0].rooms, [
    { room: 'lobby', epoch: 'k1', seq: 2 },
  ]);
  replay([created(2), created(3)]);
  await settle();
  sockets.last.receive(created(3));
  sockets.last.receive(created(4));
  assert.deepEqual(await seqs(client, 3), [2, 3, 4]);
  assert.deepEqual(client.position('lobby'), { epoch: 'k1', seq: 4 });
});

test('what does not fit is asked for again once there is room', async () => {
  const { client, sockets, follow, replay } = await setUp({ eventsMax: 4 });
  await follow(0);
  const asked = sockets.last.requests('subscribe').length;
  for (let seq = 1; seq <= 8; seq += 1) sockets.last.receive(created(seq));
  await settle();
  assert.equal(sockets.last.requests('subscribe').length, asked);
  assert.deepEqual(await seqs(client, 2), [1, 2]);
  await settle();
  const again = sockets.last.requests('subscribe').at(-1).rooms;
  assert.deepEqual(again, [{ room: 'lobby', epoch: 'k1', seq: 4 }]);
  replay([5, 6, 7, 8].map((seq) => created(seq)));
  await settle();
  assert.deepEqual(await seqs(client, 4), [3, 4, 5, 6]);
});

test('a topic is resumed by its offset', async () => {
  const { client, sockets, reconnect } = await setUp();
  const subscribing = client.subscribe([], { topics: 'race/7' });
  await settle();
  assert.deepEqual(sockets.last.requests('subscribe')[0].topics, [{ id: 'race/7' }]);
  const head = { id: 'race/7', epoch: 't1', offset: 5, recovered: null, events: [] };
  sockets.last.reply('subscribe', { topics: [head] });
  await subscribing;
  sockets.last.reply('subscribe', { topics: [{ ...head, recovered: true }] });
  const click = { type: 'event', message_type: 'NESClick', payload: '{}', topic: 'race/7' };
  sockets.last.receive({ ...click, epoch: 't1', offset: 6 });
  await reconnect();
  const resumed = sockets.last.requests('subscribe')[0].topics;
  assert.deepEqual(resumed, [{ id: 'race/7', epoch: 't1', offset: 6 }]);
  const lost = { id: 'race/7', epoch: 't2', offset: 1, recovered: false, reason: 'epoch_changed' };
  sockets.last.reply('subscribe', { topics: [{ ...lost, events: [] }] });
  await settle();
  const events = client.events()[Symbol.asyncIterator]();
  assert.equal((await events.next()).value.offset, 6);
  const gap = { type: 'gap', topic: 'race/7', epoch: 't2', offset: 1, reason: 'epoch_changed' };
  assert.deepEqual((await events.next()).value, gap);
});

test('one room that cannot be had any more does not take the others with it', async () => {
  const { client, sockets, reconnect } = await setUp();
  const subscribing = client.subscribe(['lobby', 'studio']);
  await settle();
  const rooms = ['lobby', 'studio'].map((room) => ({ room, epoch: 'k1', seq: 1, events: [] }));
  sockets.last.reply('subscribe', { rooms });
  await subscribing;
  await reconnect();
  const refuse = () => {
    const { request_id } = sockets.last.requests('subscribe').at(-1);
    sockets.last.receive({ request_id, ok: false, error: { code: 'not_found', message: '' } });
    return settle();
  };
  await refuse();
  sockets.last.reply('subscribe', { rooms: [{ ...rooms[0], recovered: true }] });
  await settle();
  await refuse();
  const lost = { type: 'unsubscribed', room: 'studio', reason: 'not_found' };
  assert.deepEqual((await client.events()[Symbol.asyncIterator]().next()).value, lost);
  assert.equal(client.connection.state, 'live');
});

test('a close that is final ends everything', async () => {
  const { client, sockets } = await setUp();
  const reading = assert.rejects(client.events()[Symbol.asyncIterator]().next(), StoppedError);
  sockets.last.fall(4001);
  await reading;
  await assert.rejects(client.request('ping'), { name: 'StoppedError', code: 4001 });
});
