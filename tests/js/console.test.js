import assert from 'node:assert/strict';
import { test } from 'node:test';

import { WRITERS } from '../../static/js/console/code.js';
import { briefOf, isBeat, isWanted, kindOf, readMessage } from '../../static/js/console/frames.js';
import { Link, LinkState } from '../../static/js/console/link.js';
import { Prefill } from '../../static/js/console/prefill.js';

/** @param {object} frame @param {'sent' | 'came'} [way] */
const message = (frame, way = 'came') => readMessage(way, JSON.stringify(frame), 0);

// --- frames -------------------------------------------------------------------------------------

test('a frame is called by what tells it apart', () => {
  /** @type {[object, 'sent' | 'came', string][]} */
  const frames = [
    [{ action: 'ping', request_id: 1 }, 'sent', 'ping'],
    [{ type: 'newchat', message: 'Hello' }, 'sent', 'newchat'],
    [{ request_id: 1, action: 'ping', ok: true, result: {} }, 'came', 'ping'],
    [{ request_id: 1, ok: false, error: { code: 'invalid', message: '' } }, 'came', 'invalid'],
    [{ request_id: 1, result: {} }, 'came', 'item'],
    [{ request_id: 1, done: true, count: 0 }, 'came', 'done'],
    [{ type: 'post.created', data: {} }, 'came', 'post.created'],
  ];
  for (const [frame, way, kind] of frames) assert.equal(kindOf(message(frame, way)), kind);
  assert.equal(kindOf(readMessage('came', 'hello?', 0)), 'text');
  assert.equal(kindOf(readMessage('came', '17', 0)), 'text');
  assert.equal(kindOf(readMessage('note', '{}', 0)), '');
});

test('the line of a frame tells what is in it', () => {
  assert.equal(briefOf(message({ type: 'x', epoch: 'k', data: { a: 1 } })), '{"a":1}');
  assert.equal(briefOf(message({ action: 'post.create', room: 'lobby' }, 'sent')), '{"room":"lobby"}');
  assert.equal(briefOf(message({ error: { code: 'invalid', message: 'No.' } })), 'No.');
  assert.equal(briefOf(readMessage('came', 'hello?', 0)), 'hello?');
});

test('what keeps the wire alive is told from what was asked', () => {
  assert.ok(isBeat(message({ type: 'heartbeat', heads: {} })));
  assert.ok(isBeat(message({ action: 'ping' }, 'sent')));
  assert.ok(!isBeat(message({ action: 'ping', request_id: 1 }, 'sent')));
  assert.ok(!isBeat(readMessage('came', 'null', 0)));
});

test('a filter wants all its words, of the frame and of its name', () => {
  const created = message({ type: 'post.created', data: { text: 'Hello' } });
  assert.ok(isWanted(created, ''));
  assert.ok(isWanted(created, 'HELLO created'));
  assert.ok(isWanted(created, 'came'));
  assert.ok(!isWanted(created, 'hello deleted'));
});

// --- requests -----------------------------------------------------------------------------------

const EXAMPLE_ID = '01956f3c-8a51-7c3e-9b1f-2f6f0c9d1e11';
const LIVE_ID = '01a1fe59-0d83-7000-8000-000000000000';

const actions = () => ({
  'post.edit': {
    group: 'Posts',
    description: '',
    examples: [
      { action: 'post.edit', id: EXAMPLE_ID, text: 'x', client_id: 'c-1' },
      { action: 'post.edit', id: '?' },
    ],
  },
});

test('examples are numbered, and made with the last post that came', () => {
  const prefill = new Prefill(actions());
  assert.deepEqual(JSON.parse(prefill.textOf('post.edit')), {
    action: 'post.edit',
    request_id: 1,
    id: EXAMPLE_ID,
    text: 'x',
  });
  prefill.note({ type: 'post.created', data: { id: LIVE_ID, images: [], author: { id: 1 } } });
  prefill.note({ type: 'post.deleted', data: { id: 'gone', images: [], deleted: true } });
  prefill.note(null);
  const { id, request_id } = JSON.parse(prefill.textOf('post.edit'));
  assert.deepEqual([id, request_id], [LIVE_ID, 2]);
  assert.equal(JSON.parse(prefill.textOf('post.edit', 1)).id, '?');
  assert.equal(prefill.textOf('no.such'), '');
});

test('code stands by itself and holds no key', () => {
  const text = '{\n  "action": "post.create",\n  "text": "it\'s \\"so\\""\n}';
  const errand = { url: 'ws://host/ws/', dialect: 'picturegram.v1.json', hasKey: true, text };
  const javascript = WRITERS.javascript(errand);
  assert.match(javascript, /\["picturegram.v1.json","picturegram.bearer.pgk_…"\]/);
  assert.match(javascript, /JSON\.stringify\(\{"action":"post.create",/);
  const python = WRITERS.python(errand);
  const literal = /REQUEST = (.*)/.exec(python)?.[1] ?? '';
  assert.deepEqual(JSON.parse(JSON.parse(literal)), JSON.parse(text));
  assert.match(python, /"Authorization": "Bearer pgk_…"/);
  const shell = WRITERS.shell({ ...errand, hasKey: false });
  assert.ok(shell.startsWith('wscat -c ws://host/ws/ -s picturegram.v1.json -w 5 -x '));
  assert.ok(shell.includes(String.raw`it'\''s`));
  assert.ok(!shell.includes('Bearer'));
  assert.match(WRITERS.javascript({ ...errand, text: 'plain' }), /socket\.send\("plain"\)/);
});

// --- the link -----------------------------------------------------------------------------------

/** @type {FakeSocket[]} */
let sockets = [];

class FakeSocket {
  readyState = 0;
  /** @type {string[]} */
  sent = [];
  /** @type {((event: any) => void) | null} */
  onmessage = null;
  /** @type {((event: any) => void) | null} */
  onclose = null;
  /** @type {((event: any) => void) | null} */
  onerror = null;
  /** @type {(() => void) | null} */
  onopen = null;

  /** @param {string} url @param {string[]} protocols */
  constructor(url, protocols) {
    Object.assign(this, { url, protocols });
    sockets.push(this);
  }

  /** @param {string} text */
  send(text) {
    this.sent.push(text);
  }

  close() {
    this.readyState = 3;
  }

  open() {
    this.readyState = 1;
    this.onopen?.();
  }
}

function linked() {
  sockets = [];
  /** @type {any[]} */
  const heard = [];
  const listener = {
    changed: (/** @type {string} */ state, /** @type {number} */ code) => heard.push([state, code]),
    came: (/** @type {string} */ text) => heard.push(['came', text]),
    left: (/** @type {string} */ text) => heard.push(['left', text]),
  };
  return { link: new Link(listener, FakeSocket), heard };
}

test('what is sent before the handshake goes out behind it', () => {
  const { link, heard } = linked();
  link.open('ws://host/ws/', ['a']);
  link.send('one');
  assert.deepEqual(sockets[0]?.sent, []);
  sockets[0]?.open();
  link.send('two');
  sockets[0]?.onmessage?.({ data: 'answer' });
  assert.deepEqual(sockets[0]?.sent, ['one', 'two']);
  assert.deepEqual(heard, [
    [LinkState.CONNECTING, 0],
    [LinkState.OPEN, 0],
    ['left', 'one'],
    ['left', 'two'],
    ['came', 'answer'],
  ]);
});

test('an ending says its code, and forgets what waited', () => {
  const { link, heard } = linked();
  link.open('ws://host/ws/', []);
  link.send('one');
  sockets[0]?.onclose?.({ code: 1006 });
  assert.deepEqual(heard.at(-1), [LinkState.ENDED, 1006]);
  link.open('ws://host/ws/', []);
  sockets[1]?.open();
  assert.deepEqual(sockets[1]?.sent, []);
});

test('opening again lets go of the socket before', () => {
  const { link, heard } = linked();
  link.open('ws://host/ws/', []);
  sockets[0]?.open();
  link.open('ws://host/chat', []);
  assert.equal(sockets[0]?.readyState, 3);
  assert.equal(sockets[0]?.onmessage, null);
  assert.deepEqual(heard.at(-1), [LinkState.CONNECTING, 0]);
  link.close();
  link.close();
  assert.deepEqual(heard.at(-1), [LinkState.CLOSED, 0]);
});
