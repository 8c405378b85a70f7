import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RoomStore } from '../../static/js/client/room-store.js';
import { created, event, grace, page, post } from './fakes.js';

/** @param {RoomStore} store */
const seqs = (store) => store.posts().map(({ seq }) => seq);

/** @param {RoomStore} store */
function record(store) {
  /** @type {string[]} */
  const changes = [];
  for (const name of /** @type {const} */ (['inserted', 'updated', 'removed'])) {
    store.on(name, (/** @type {any} */ detail) => changes.push(`${name} ${detail.post.id}`));
  }
  return changes;
}

test('posts are newest first by the seq of the post', () => {
  const store = new RoomStore(page([post(7), post(4), post(2)]));
  store.apply(created(8));
  assert.deepEqual(seqs(store), [8, 7, 4, 2]);
});

test('an event is applied once, whatever the number of times it comes', () => {
  const store = new RoomStore(page([post(1)]));
  const changes = record(store);
  assert.equal(store.apply(created(2)), 'next');
  assert.equal(store.apply(created(2)), 'old');
  assert.equal(store.apply(created(1)), 'old');
  assert.deepEqual(changes, ['inserted p2']);
  assert.deepEqual(store.position, { epoch: 'k1', seq: 2 });
});

test('an event beyond the next one is a hole and changes nothing', () => {
  const store = new RoomStore(page([post(1)]));
  assert.equal(store.apply(created(3)), 'hole');
  assert.equal(store.apply({ ...created(2), epoch: 'k2' }), 'hole');
  assert.deepEqual(store.position, { epoch: 'k1', seq: 1 });
  assert.deepEqual(seqs(store), [1]);
});

test('an edit replaces the post at its old place', () => {
  const store = new RoomStore(page([post(2), post(1)]));
  store.apply(event(3, 'post.updated', post(1, { text: 'New words' })));
  assert.equal(store.get('p1')?.text, 'New words');
  assert.deepEqual(seqs(store), [2, 1]);
});

test('a tombstone removes the post, also in a replayed post.created', () => {
  const store = new RoomStore(page([post(2), post(1)]));
  const changes = record(store);
  store.apply(event(3, 'post.deleted', { id: 'p1', room: 'lobby', seq: 1, deleted: true }));
  store.apply(event(4, 'post.created', { id: 'p4', room: 'lobby', seq: 4, hidden: true }));
  assert.deepEqual(seqs(store), [2]);
  assert.deepEqual(changes, ['removed p1']);
});

test('a restored post comes back to its place', () => {
  const store = new RoomStore(page([post(3), post(2), post(1)]));
  store.apply(event(4, 'post.deleted', { id: 'p2', room: 'lobby', seq: 2, deleted: true }));
  store.apply(event(5, 'post.restored', post(2)));
  assert.deepEqual(seqs(store), [3, 2, 1]);
});

test('events of posts that are not loaded yet leave the loaded stretch without a hole', () => {
  const store = new RoomStore(page([post(30), post(20)], { next: 'older' }));
  store.apply(event(31, 'post.updated', post(5)));
  store.apply(event(32, 'post.restored', post(6)));
  store.apply(event(33, 'reaction.added', { post_id: 'p5', emoji: '🎉', user_id: 2, count: 1 }));
  assert.deepEqual(seqs(store), [30, 20]);
  assert.equal(store.position.seq, 33);
});

test('reactions are sets of people, and the count is the server’s', () => {
  const store = new RoomStore(page([post(1)]));
  const change = { post_id: 'p1', emoji: '🎉', user_id: 2, count: 1 };
  store.apply(event(2, 'reaction.added', change));
  store.apply(event(3, 'reaction.added', { ...change, count: 1 }));
  store.apply(event(4, 'reaction.added', { ...change, user_id: 3, count: 2 }));
  assert.deepEqual(store.get('p1')?.reactions, [{ emoji: '🎉', count: 2, user_ids: [2, 3] }]);
  store.apply(event(5, 'reaction.removed', { ...change, count: 1 }));
  store.apply(event(6, 'reaction.removed', { ...change, user_id: 3, count: 0 }));
  assert.deepEqual(store.get('p1')?.reactions, []);
});

test('an event that a later page already contains does not undo it', () => {
  const store = new RoomStore(page([post(20)], { seq: 20, next: 'older' }));
  // Read at 25, while we stand at 20: the edits 21 and 25 are in it.
  store.mergeOlder(page([post(10, { text: 'second edit' })], { seq: 25 }));
  store.apply(event(21, 'post.updated', post(10, { text: 'first edit' })));
  assert.equal(store.get('p10')?.text, 'second edit');
});

test('an older page that was read before an edit or a deletion is brought up to date', () => {
  const store = new RoomStore(page([post(20)], { seq: 20, next: 'older' }));
  store.apply(event(21, 'post.updated', post(10, { text: 'edited' })));
  store.apply(event(22, 'post.deleted', { id: 'p9', room: 'lobby', seq: 9, deleted: true }));
  store.apply(event(23, 'reaction.added', { post_id: 'p8', emoji: '🎉', user_id: 2, count: 1 }));
  const late = page([post(10), post(9), post(8)], { seq: 20, next: null });
  assert.equal(store.mergeOlder(late), true);
  assert.deepEqual(seqs(store), [20, 10, 8]);
  assert.equal(store.get('p10')?.text, 'edited');
  assert.equal(store.get('p8')?.reactions.length, 1);
});

test('a late page does not bring back a post that was made and deleted meanwhile', () => {
  const store = new RoomStore(page([post(20)], { seq: 20, next: 'older' }));
  const changes = record(store);
  store.apply(created(21));
  store.apply(event(22, 'post.deleted', { id: 'p21', room: 'lobby', seq: 21, deleted: true }));
  store.mergeOlder(page([post(10)], { seq: 20 }));
  assert.deepEqual(changes, ['inserted p21', 'removed p21', 'inserted p10']);
});

test('a page of another epoch, or one too old to be brought forward, is not merged', () => {
  const store = new RoomStore(page([post(20)], { seq: 20, next: 'older' }));
  assert.equal(store.mergeOlder(page([post(10)], { epoch: 'k2', seq: 20 })), false);
  assert.equal(store.mergeOlder(page([post(10)], { seq: 19 })), false);
  assert.deepEqual(seqs(store), [20]);
});

test('after a gap the fresh page replaces what is loaded and touches only what differs', () => {
  const store = new RoomStore(page([post(5), post(4), post(3)], { next: 'older' }));
  const changes = record(store);
  store.moveTo({ epoch: 'k1', seq: 600 });
  assert.deepEqual(seqs(store), [5, 4, 3], 'the old view stays');
  store.apply(created(601));
  const fresh = page([post(590), post(5, { text: 'edited' }), post(3)], { seq: 600, next: 'older' });
  assert.equal(store.replace([fresh]), true);
  assert.deepEqual(seqs(store), [601, 590, 5, 3]);
  assert.deepEqual(changes, ['inserted p601', 'removed p4', 'inserted p590', 'updated p5']);
});

test('posts older than the fresh pages reach are unloaded, not counted as gone', () => {
  const store = new RoomStore(page([post(5), post(4), post(3)], { next: 'older' }));
  /** @type {[string, boolean][]} */
  const removed = [];
  store.on('removed', ({ post: { id }, isGone }) => removed.push([id, isGone]));
  store.moveTo({ epoch: 'k1', seq: 99 });
  store.replace([page([post(98), post(4)], { seq: 99, next: 'older' })]);
  assert.deepEqual(removed, [
    ['p5', true],
    ['p3', false],
  ]);
  assert.equal(store.hasOlder, true);
});

test('a new epoch forgets the versions of the old log', () => {
  const store = new RoomStore(page([post(50), post(49)], { seq: 50 }));
  store.moveTo({ epoch: 'k2', seq: 10 });
  store.replace([page([post(9, { id: 'p50', text: 'restored' })], { epoch: 'k2', seq: 10 })]);
  assert.deepEqual(store.posts().map(({ text }) => text), ['restored']);
});

test('the answer to a create and its event make one post, in either order', () => {
  const answerFirst = new RoomStore(page([post(1)]));
  const changes = record(answerFirst);
  answerFirst.confirm(post(2));
  answerFirst.apply(created(2));
  assert.deepEqual(changes, ['inserted p2']);

  const eventFirst = new RoomStore(page([post(1)]));
  eventFirst.apply(created(2));
  eventFirst.apply(event(3, 'post.deleted', { id: 'p2', room: 'lobby', seq: 2, deleted: true }));
  eventFirst.confirm(post(2));
  assert.deepEqual(seqs(eventFirst), [1], 'a deleted post stays deleted');
});

test('what we suppose gives way to what the server says', () => {
  const store = new RoomStore(page([post(1)]));
  const version = store.versionOf('p1');
  store.suppose(post(1, { text: 'ours' }), version);
  assert.equal(store.get('p1')?.text, 'ours');
  store.apply(event(2, 'post.updated', post(1, { text: 'theirs' })));
  store.suppose(post(1, { text: 'ours, too late' }), version);
  assert.equal(store.get('p1')?.text, 'theirs');
});

test('events about other things are passed on once', () => {
  const store = new RoomStore(page([post(1)]));
  /** @type {string[]} */
  const others = [];
  store.on('other', ({ type }) => others.push(type));
  const joined = event(2, 'member.joined', { user: grace, role: 'member' });
  store.apply(joined);
  store.apply(joined);
  assert.deepEqual(others, ['member.joined']);
});

test('a page plus the events after it equals a fresh page', () => {
  const before = page([post(3), post(2), post(1)]);
  const events = [
    created(4, { author: grace }),
    event(5, 'post.updated', post(2, { text: 'edited' })),
    event(6, 'reaction.added', { post_id: 'p4', emoji: '👍', user_id: 1, count: 1 }),
    event(7, 'post.deleted', { id: 'p1', room: 'lobby', seq: 1, deleted: true }),
    created(8),
    event(9, 'post.hidden', { id: 'p8', room: 'lobby', seq: 8, hidden: true }),
    event(10, 'post.restored', post(1)),
  ];
  const after = [
    post(4, { author: grace, reactions: [{ emoji: '👍', count: 1, user_ids: [1] }] }),
    post(3),
    post(2, { text: 'edited' }),
    post(1),
  ];
  const store = new RoomStore(before);
  for (const each of events) store.apply(each);
  assert.deepEqual(store.posts(), after);
  // The same from a page that was read in the middle.
  const midway = new RoomStore({ ...before, seq: 3 });
  for (const each of [...events.slice(0, 4), ...events]) midway.apply(each);
  assert.deepEqual(midway.posts(), after);
});
