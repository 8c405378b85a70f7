/**
 * Whether every word of a query stands in a text, in any order and case.
 * @param {string} text
 * @param {string} query
 */
export function hasWords(text, query) {
  const lower = text.toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => lower.includes(word));
}
