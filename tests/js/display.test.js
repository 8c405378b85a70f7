import assert from 'node:assert/strict';
import { test } from 'node:test';

import { chooseFiles } from '../../static/js/files.js';
import { decodeThumbHash } from '../../static/js/thumbhash.js';
import { seconds, shortDate, timeAgo } from '../../static/js/times.js';

const limits = {
  pictures_per_post_max: 4,
  picture_bytes_max: 10 * 1024 * 1024,
  picture_types: ['image/jpeg', 'image/png', 'image/heic'],
};

/** @param {string} name @param {string} type @param {number} [size] @returns {any} */
const file = (name, type, size = 1000) => ({ name, type, size });

test('dates are m/d/yyyy without zeros in front', () => {
  assert.equal(shortDate(new Date(2026, 0, 5)), '1/5/2026');
  assert.equal(shortDate(new Date(2026, 10, 21)), '11/21/2026');
});

test('an age is a word, and nothing after a week', () => {
  const now = Date.UTC(2026, 10, 21, 12);
  const ago = (/** @type {number} */ seconds) => timeAgo(new Date(now - seconds * 1000), now);
  assert.deepEqual(
    [0, 59, 60, 3599, 3600, 86_399, 86_400, 7 * 86_400].map(ago),
    ['now', 'now', '1 min', '59 min', '1 h', '23 h', '1 d', ''],
  );
});

test('a clock that is behind the server makes nothing in the future', () => {
  assert.equal(timeAgo(new Date(10_000), 0), 'now');
});

test('a wait is told in whole seconds, never below none', () => {
  assert.deepEqual([seconds(4200), seconds(1), seconds(-5)], ['5 s', '1 s', '0 s']);
});

test('pictures within the limits are accepted', () => {
  const files = [file('a.jpg', 'image/jpeg'), file('b.png', 'image/png')];
  assert.deepEqual(chooseFiles(files, 0, limits), { accepted: files, problems: [] });
});

test('a phone’s photo without a type is known by its ending', () => {
  assert.equal(chooseFiles([file('IMG_1.HEIC', '')], 0, limits).accepted.length, 1);
  assert.equal(chooseFiles([file('IMG_1.heif', 'image/heif')], 0, limits).accepted.length, 1);
});

test('a refusal names the file, what is accepted and how much', () => {
  const { accepted, problems } = chooseFiles(
    [file('cat.svg', 'image/svg+xml'), file('big.jpg', 'image/jpeg', 12.5 * 1024 * 1024)],
    0,
    limits,
  );
  assert.deepEqual(accepted, []);
  assert.match(problems[0] ?? '', /cat\.svg.*JPEG, PNG or HEIC/);
  assert.match(problems[1] ?? '', /big\.jpg has 12\.5 MiB; 10 MiB fit/);
});

test('a post holds four pictures, with those attached before', () => {
  const files = [1, 2, 3].map((number) => file(`${number}.jpg`, 'image/jpeg'));
  const { accepted, problems } = chooseFiles(files, 2, limits);
  assert.equal(accepted.length, 2);
  assert.match(problems[0] ?? '', /3\.jpg is one too many/);
});

test('a thumbhash is decoded to its size, shape and colour', () => {
  // The example of docs/protocol.md: a landscape photo.
  const thumb = decodeThumbHash('1QcSHQRnh493V4dIh4eXh1h4kJUI');
  assert.ok(thumb);
  assert.equal(Math.max(thumb.width, thumb.height), 32);
  assert.equal(thumb.pixels.length, thumb.width * thumb.height * 4);
  assert.equal(thumb.hasAlpha, false);
  assert.equal(thumb.pixels[3], 255);
});

test('what is no thumbhash is no picture', () => {
  for (const text of ['', 'AA==', 'not base64!', undefined]) {
    assert.equal(decodeThumbHash(/** @type {any} */ (text ?? '')), null);
  }
});
