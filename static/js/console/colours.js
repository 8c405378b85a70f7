const TOKEN =
  /(?<key>"(?:[^"\\]|\\.)*")(?=:)|(?<string>"(?:[^"\\]|\\.)*")|(?<number>-?\d[\d.eE+-]*)|(?<word>true|false|null)/g;

/**
 * JSON text as nodes whose tokens say what they are, as the server renders examples.
 * @param {string} text
 * @returns {DocumentFragment}
 */
export function coloured(text) {
  const fragment = document.createDocumentFragment();
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    fragment.append(text.slice(end, match.index));
    const kind = Object.entries(match.groups ?? {}).find(([, found]) => found !== undefined)?.[0];
    const token = document.createElement('span');
    token.className = `json-${kind}`;
    token.textContent = match[0];
    fragment.append(token);
    end = match.index + match[0].length;
  }
  fragment.append(text.slice(end));
  return fragment;
}
