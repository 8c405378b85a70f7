import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Backoff } from '../../static/js/client/backoff.js';
import { newClientId } from '../../static/js/client/client-id.js';
import { verdictOf } from '../../static/js/client/close-codes.js';

test('the range of the wait doubles up to its cap', () => {
  const backoff = new Backoff({ random: () => 0.999 });
  const waits = Array.from({ length: 7 }, () => Math.ceil(backoff.nextMs() / 1000));
  assert.deepEqual(waits, [1, 2, 4, 8, 16, 20, 20]);
});

test('jitter is full: the wait may be nothing at all', () => {
  const backoff = new Backoff({ random: () => 0 });
  assert.deepEqual([backoff.nextMs(), backoff.nextMs()], [0, 0]);
});

test('a reset begins anew', () => {
  const backoff = new Backoff({ random: () => 0.5 });
  backoff.nextMs();
  backoff.nextMs();
  backoff.reset();
  assert.equal(backoff.nextMs(), 500);
});

test('a thousand failures do not overflow the wait', () => {
  const backoff = new Backoff({ random: () => 0.5 });
  for (let attempt = 0; attempt < 1000; attempt += 1) backoff.nextMs();
  assert.equal(backoff.nextMs(), 10_000);
});

test('a close code says by its range what to do', () => {
  for (const code of [4000, 4001, 4012, 4099, 1003, 1007, 1008]) assert.equal(verdictOf(code), 'stop');
  for (const code of [4100, 4113, 4199, 1013]) assert.equal(verdictOf(code), 'wait');
  for (const code of [4200, 4209, 4299, 1000, 1001, 1006, 1009, 1011, 1012, 1005]) {
    assert.equal(verdictOf(code), 'resume', String(code));
  }
});

test('client ids are 32 hex digits and do not repeat', () => {
  const ids = new Set(Array.from({ length: 1000 }, newClientId));
  assert.equal(ids.size, 1000);
  for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/);
});
