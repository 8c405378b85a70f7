// Asks one question, takes the first message for the answer, and goes.
const { webSocket } = require("rxjs/webSocket");
const { first } = require("rxjs/operators");
const WebSocket = require("ws");

const { url, request } = JSON.parse(process.argv[2]);
const said = {};

const socket = webSocket({
  url,
  WebSocketCtor: WebSocket,
  closeObserver: {
    next: ({ code, wasClean }) => {
      process.stdout.write(`${JSON.stringify({ ...said, code, wasClean })}\n`);
    },
  },
});
socket.pipe(first()).subscribe(
  (message) => Object.assign(said, { message }),
  (error) => Object.assign(said, { threw: String(error.message ?? error.code) }),
  () => Object.assign(said, { complete: true }),
);
socket.next(request);
