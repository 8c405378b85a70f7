// A program that uses the packed client and does what its standard input says, a JSON array a line:
// a method of the client and its arguments. It prints answers and events, a JSON object a line.
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';

import { connect } from 'picturegram-client';
import WebSocket from 'ws';

/** @param {object} line */
const print = (line) => console.log(JSON.stringify(line));

/** @param {any} error */
const printError = ({ name, code, message }) => print({ error: { name, code, message } });

async function main() {
  const { SITE = '', TOKEN } = process.env;
  const client = await connect(SITE, { token: TOKEN, WebSocket, eventsMax: 10 });
  print({ connected: client.hello?.user?.username });
  createInterface({ input: process.stdin }).on('line', async (line) => {
    const [method, ...args] = JSON.parse(line);
    try {
      if (method === 'listen') void listen(client);
      else if (method === 'stream') print({ answer: await collected(client.stream(args[0], args[1])) });
      else if (method === 'picture') print({ answer: await picture(client, args[0], args[1]) });
      else print({ answer: (await /** @type {any} */ (client)[method](...args)) ?? null });
    } catch (error) {
      printError(error);
    }
  });
}

/** @param {import('picturegram-client').Client} client */
async function listen(client) {
  try {
    for await (const event of client.events()) print({ event });
    print({ end: true });
  } catch (error) {
    printError(error);
  }
}

/** @param {import('picturegram-client').Client} client @param {string} room @param {string} path */
async function picture(client, room, path) {
  const file = new Blob([await readFile(path)]);
  return client.post(room, '', { images: [{ file, alt: 'Evening light' }] });
}

/** @param {AsyncIterable<any>} items */
async function collected(items) {
  const all = [];
  for await (const item of items) all.push(item);
  return all;
}

main().catch(printError);
