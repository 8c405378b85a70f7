import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CancelledError, NoAnswerError, RefusedError } from '../../static/js/client/errors.js';
import { Outbox } from '../../static/js/client/outbox.js';
import { FakeClock, post, settle } from './fakes.js';

function setUp() {
  const clock = new FakeClock();
  /** @type {{ clientId: string, resolve: (post: any) => void, reject: (error: Error) => void,
   *   onProgress: (share: number) => void, signal: AbortSignal }[]} */
  const attempts = [];
  const outbox = new Outbox({
    clock,
    create: ({ clientId }, options) =>
      new Promise((resolve, reject) => attempts.push({ clientId, resolve, reject, ...options })),
  });
  /** @type {string[]} */
  const log = [];
  outbox.on('changed', ({ status, progress }) => log.push(progress ? `${status} ${progress}` : status));
  outbox.on('ended', ({ post: sent }) => log.push(sent ? 'sent' : 'given up'));
  const last = () => /** @type {typeof attempts[number]} */ (attempts.at(-1));
  return { clock, attempts, outbox, log, last };
}

const draft = { text: 'Hello', pictures: [] };

test('a draft is pending until the server answers with the post', async () => {
  const { outbox, log, last } = setUp();
  outbox.send(draft);
  last().onProgress(0.5);
  last().resolve(post(2));
  await settle();
  assert.deepEqual(log, ['sending', 'sending 0.5', 'sent']);
  assert.deepEqual(outbox.pending(), []);
});

test('without an answer it asks again by itself, under the same client_id', async () => {
  const { outbox, attempts, last, clock, log } = setUp();
  outbox.send(draft);
  last().reject(new NoAnswerError('cut'));
  await settle();
  await clock.pass(500);
  assert.equal(attempts.length, 2);
  assert.equal(attempts[0]?.clientId, attempts[1]?.clientId);
  last().resolve(post(2));
  await settle();
  assert.deepEqual(log, ['sending', 'waiting', 'sending', 'sent']);
});

test('it gives up after some attempts and says so, and retry begins anew', async () => {
  const { outbox, attempts, last, clock } = setUp();
  const pending = outbox.send(draft);
  for (let attempt = 0; attempt < 6; attempt += 1) {
    last().reject(new NoAnswerError('cut'));
    await clock.pass(20_000);
  }
  assert.equal(pending.status, 'failed');
  assert.equal(attempts.length, 6);
  outbox.retry(pending.clientId);
  assert.equal(pending.status, 'sending');
  assert.equal(attempts.length, 7);
  assert.equal(new Set(attempts.map(({ clientId }) => clientId)).size, 1);
});

test('a refusal is final and tells why', async () => {
  const { outbox, last, clock, attempts } = setUp();
  const pending = outbox.send(draft);
  const fields = { images: 'cat.svg is no JPEG, PNG, WebP, GIF or AVIF.' };
  last().reject(new RefusedError({ code: 'invalid', message: 'Not valid.', fields }, 400));
  await clock.pass(60_000);
  assert.equal(pending.status, 'failed');
  assert.equal(pending.message, 'Not valid. cat.svg is no JPEG, PNG, WebP, GIF or AVIF.');
  assert.equal(attempts.length, 1);
});

test('a refusal that may pass is waited for as long as the server says', async () => {
  const { outbox, last, clock, attempts } = setUp();
  outbox.send(draft);
  const error = { code: 'rate_limited', message: 'Wait.', retry_after_ms: 3000 };
  last().reject(new RefusedError(error, 429));
  await clock.pass(2999);
  assert.equal(attempts.length, 1);
  await clock.pass(1);
  assert.equal(attempts.length, 2);
});

test('the event may come before the answer; then the answer does nothing', async () => {
  const { outbox, last, log } = setUp();
  const { clientId } = outbox.send(draft);
  outbox.confirm(post(2, { client_id: clientId }));
  last().reject(new NoAnswerError('cut'));
  await settle();
  assert.deepEqual(log, ['sending', 'sent']);
  assert.equal(last().signal.aborted, true);
});

test('when the server can be reached again, only what is unknown is asked for again', async () => {
  const { outbox, last, clock, attempts } = setUp();
  const unknown = outbox.send(draft);
  for (let attempt = 0; attempt < 6; attempt += 1) {
    last().reject(new NoAnswerError('cut'));
    await clock.pass(20_000);
  }
  const refused = outbox.send({ text: '', pictures: [] });
  last().reject(new RefusedError({ code: 'invalid', message: 'Empty.' }, 400));
  await settle();
  const before = attempts.length;
  outbox.retryUnknown();
  assert.equal(attempts.length, before + 1);
  assert.equal(last().clientId, unknown.clientId);
  assert.equal(refused.status, 'failed');
});

test('a discarded post is called off', async () => {
  const { outbox, last, log } = setUp();
  const { clientId } = outbox.send(draft);
  outbox.discard(clientId);
  assert.equal(last().signal.aborted, true);
  last().reject(new CancelledError());
  await settle();
  assert.deepEqual(log, ['sending', 'given up']);
});
