/**
 * How long a text is by the server's count: in code points, of which an emoji's picture may have
 * one where `length` says two.
 * @param {string} text
 */
export function lengthOf(text) {
  let length = 0;
  for (const _ of text) length += 1;
  return length;
}

/**
 * What to say about a text that is too long; null about one that is not.
 * @param {string} text
 * @param {number} max
 */
export function complainOfLength(text, max) {
  const excess = lengthOf(text) - max;
  return excess > 0 ? `That is ${excess} too many: a post holds ${max} characters.` : null;
}
