// An RxJS consumer of the plainest kind: it parses `payload` of everything that comes.
const { webSocket } = require("rxjs/webSocket");
const WebSocket = require("ws");

const { url, protocol, requests } = JSON.parse(process.argv[2]);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const socket = webSocket({
  url,
  protocol,
  WebSocketCtor: WebSocket,
  closeObserver: { next: ({ code, reason, wasClean }) => say({ closed: code, reason, wasClean }) },
});
socket.subscribe(
  (event) => say({ event, payload: JSON.parse(event.payload) }),
  (error) => say({ threw: String(error.message ?? error.code) }),
  () => say({ complete: true }),
);
for (const request of requests) {
  socket.next(request);
}
