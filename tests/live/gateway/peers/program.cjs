// A program on `ws` as it comes: sub-protocol, token, fragments, pings, and how a socket ends.
const WebSocket = require("ws");

const { url, token } = JSON.parse(process.argv[2]);
const found = {};

const socket = new WebSocket(url, ["picturegram.v1.json"], {
  headers: { Authorization: `Bearer ${token}` },
});
const frames = [];
let wake = () => {};
socket.on("message", (data, isBinary) => {
  frames.push({ isBinary, ...JSON.parse(data) });
  wake();
});

async function frame(matches) {
  for (;;) {
    const at = frames.findIndex(matches);
    if (at >= 0) {
      return frames.splice(at, 1)[0];
    }
    await new Promise((resolve) => {
      wake = resolve;
    });
  }
}

async function main() {
  await new Promise((resolve) => socket.once("open", resolve));
  found.protocol = socket.protocol;
  found.hello = await frame(({ type }) => type === "hello");
  socket.send(JSON.stringify({ action: "subscribe", request_id: 1, rooms: ["lobby"] }));
  found.subscribed = await frame(({ request_id }) => request_id === 1);
  const text = JSON.stringify({ action: "post.create", request_id: "2", room: "lobby", text: "ws" });
  for (let at = 0; at < text.length; at += 10) {
    socket.send(text.slice(at, at + 10), { fin: at + 10 >= text.length });
  }
  found.created = await frame(({ request_id }) => request_id === "2");
  found.event = await frame(({ type }) => type === "post.created");
  const pong = new Promise((resolve) => socket.once("pong", resolve));
  socket.ping("are you there?");
  found.pong = String(await pong);
  const closed = new Promise((resolve) => socket.once("close", (...end) => resolve(end)));
  socket.send(Buffer.from([0, 255]));
  found.farewell = await frame(({ type }) => type === "disconnect");
  const [code, reason] = await closed;
  found.closed = { code, reason: String(reason) };
  process.stdout.write(`${JSON.stringify(found)}\n`);
}

main();
