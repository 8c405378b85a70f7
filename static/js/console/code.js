/**
 * A request, and the socket that it goes through.
 * @typedef {object} Errand
 * @property {string} url
 * @property {string} dialect
 * @property {boolean} hasKey whether a key is offered; the key itself is never written out
 * @property {string} text the request as it is sent
 */

const KEY = 'pgk_…';

/**
 * Writes a request as code that stands by itself.
 * @type {Record<'javascript' | 'python' | 'shell', (errand: Errand) => string>}
 */
export const WRITERS = { javascript, python, shell };

/** @param {Errand} errand */
function javascript({ url, dialect, hasKey, text }) {
  const protocols = [dialect, ...(hasKey ? [`picturegram.bearer.${KEY}`] : [])];
  const json = compact(text);
  const sent = json === null ? JSON.stringify(text) : `JSON.stringify(${json})`;
  return `\
const socket = new WebSocket(${JSON.stringify(url)}, ${JSON.stringify(protocols)});
socket.onmessage = ({ data }) => console.log(JSON.parse(data));
socket.onopen = () => socket.send(${sent});
`;
}

/** @param {Errand} errand */
function python({ url, dialect, hasKey, text }) {
  const headers = hasKey ? `\n        additional_headers={"Authorization": "Bearer ${KEY}"},` : '';
  return `\
import asyncio, json, websockets

REQUEST = ${pythonText(compact(text) ?? text)}

async def main():
    async with websockets.connect(
        ${JSON.stringify(url)},
        subprotocols=[${JSON.stringify(dialect)}],${headers}
    ) as socket:
        await socket.send(REQUEST)
        async for message in socket:
            print(json.loads(message), flush=True)

asyncio.run(main())
`;
}

/** @param {Errand} errand */
function shell({ url, dialect, hasKey, text }) {
  const header = hasKey ? ` -H "Authorization: Bearer ${KEY}"` : '';
  const request = (compact(text) ?? text).replaceAll("'", String.raw`'\''`);
  return `wscat -c ${url} -s ${dialect}${header} -w 5 -x '${request}'\n`;
}

/** JSON without line breaks, or null for what is none. @param {string} text */
function compact(text) {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return null;
  }
}

/** A Python literal, between the marks that leave JSON readable. @param {string} text */
function pythonText(text) {
  return /['\\\n\r]/.test(text) ? JSON.stringify(text) : `'${text}'`;
}
