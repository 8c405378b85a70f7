"""daphne's WebSocket protocol with bounds, close frames, and a send that waits."""

# daphne and Twisted have hardly any types.
# mypy: allow-subclassing-any, allow-untyped-calls

from typing import Any

from autobahn.util import encode_truncate
from daphne.server import reactor
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet import tcp

from config.hardening.daphne_flow import Flow
from config.hardening.limits import ABORT, CLOSE_S

# Seconds in which the application accepts or refuses. The 5 of the command line are over before it
# knows that its database is lost, and a handler of `$connect` may take 29.
HANDSHAKE_S = 35
# Messages the application has not taken yet; above it the transport is not read until half.
INPUT_MESSAGES_MAX = 32
# Unsent bytes written on top of a congested transport by an application that does not wait.
UNSENT_BYTES_MAX = 1024 * 1024
# Frames of one message. Empty ones cost the sender six bytes and us eight, for ever.
FRAGMENTS_MAX = 4096
# RFC 6455, 7.4: what may stand in a close frame.
CLOSE_CODES = frozenset({*range(1000, 1004), *range(1007, 1014), *range(3000, 5000)})
SERVICE_RESTART = 1012
# Seconds for a pong. Pings leave every 20 to 22 s, so that who vanishes is gone within 50.
PONG_S = 25
# Frames of recent texts, and the longest text worth keeping: what is longer goes to one socket.
FRAMES_KEPT = 16
KEPT_TEXT_MAX = 16 * 1024


class Socket(Flow, WebSocketProtocol):
    """One connection. The application's `receive` and `send` are methods of it."""

    is_input_paused = False
    # The transport is the kernel's socket itself, with no TLS between.
    is_plain = False
    fragment_count = 0
    unsent_bytes = 0
    muted = False

    # The application's side

    async def receive(self) -> dict[str, Any]:
        message: dict[str, Any] = await self.application_queue.get()
        if self.is_input_paused and self.application_queue.qsize() <= INPUT_MESSAGES_MAX // 2:
            self._resume_input()
        return message

    async def send(self, message: dict[str, Any]) -> None:
        """Hand a message over, and return when the transport is not congested.

        Messages keep the order of the calls. Cancelling is safe: what was handed over is sent.
        Sending to a connection that is gone does nothing.
        """
        if message["type"] == "websocket.send":
            if self.state == self.STATE_OPEN:
                self._write(self.factory.frame(message))
            elif self.state == self.STATE_CONNECTING:
                raise ValueError("A socket that is not accepted cannot be sent to.")
            while self.drained is not None:
                await self.drained.wait()
        elif message["type"] == ABORT:
            self.transport.abortConnection()
        else:
            await self.server.handle_reply(self, message)

    def handle_reply(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.close" and self.state != self.STATE_CONNECTING:
            code = message.get("code") or 1000
            if code not in CLOSE_CODES:
                raise ValueError(f"{code} may not stand in a close frame.")
            self.sendCloseFrame(code, encode_truncate(message.get("reason") or "", 123))
        else:
            super().handle_reply(message)

    def restart(self) -> None:
        """Close with 1012, unless that is done, and tell the application at once."""
        if self.state in (self.STATE_OPEN, self.STATE_CLOSING) and not self.muted:
            self.sendCloseFrame(SERVICE_RESTART, b"")
            self.application_queue.put_nowait(
                {"type": "websocket.disconnect", "code": self.localCloseCode}
            )
            self.muted = True

    def _write(self, frame: bytes) -> None:
        transport = self.transport
        if self.drained is not None:
            self.unsent_bytes += len(frame)
            if self.unsent_bytes > UNSENT_BYTES_MAX:
                transport.abortConnection()
                return
        elif self.is_plain and not transport.dataBuffer and not transport._tempDataLen:
            # Twisted would buffer it and ask the selector twice: four times the cost of the call.
            sent = transport.writeSomeData(frame)
            if sent == len(frame):
                return
            if isinstance(sent, int):
                frame = frame[sent:]
        transport.write(frame)

    def resumeProducing(self) -> None:
        self.unsent_bytes = 0
        super().resumeProducing()

    # The transport's side

    def onOpen(self) -> None:
        # The HTTP channel that read the handshake is still the producer, and kept alive by it.
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)
        self.is_plain = isinstance(self.transport, tcp.Connection)
        super().onOpen()

    def consumeData(self) -> None:
        if self.state not in (self.STATE_OPEN, self.STATE_CLOSING):
            super().consumeData()
            return
        # As the original, but it stops between two frames.
        while not self.is_input_paused and self.processData() and self.state != self.STATE_CLOSED:
            pass

    def onMessageBegin(self, is_binary: bool) -> None:
        self.fragment_count = 0
        super().onMessageBegin(is_binary)

    def onMessageFrameBegin(self, length: int) -> None:
        super().onMessageFrameBegin(length)
        self.fragment_count += 1
        if self.fragment_count > FRAGMENTS_MAX and not self.failedByMe:
            self._max_message_size_exceeded(
                self.fragment_count, FRAGMENTS_MAX, f"more than {FRAGMENTS_MAX} frames"
            )

    def onMessage(self, payload: bytes, is_binary: bool) -> None:
        # After our close frame the application no longer listens.
        if self.state == self.STATE_OPEN:
            super().onMessage(payload, is_binary)
            if self.application_queue.qsize() > INPUT_MESSAGES_MAX:
                self.is_input_paused = True
                self.transport.pauseProducing()

    def onPing(self, payload: bytes) -> None:
        # Who does not read gets no pongs, which nobody would count.
        if self.drained is None:
            super().onPing(payload)

    def sendCloseFrame(
        self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False
    ) -> None:
        # RFC 6455, 5.5.1: an answer repeats the code, where autobahn says 1000 to all of them.
        super().sendCloseFrame(self.remoteCloseCode if isReply else code, reasonUtf8, isReply)
        # Nothing more will be sent, so that nobody need wait for room.
        self.resumeProducing()
        if self.is_input_paused:
            # The other side's answer is behind what we left unread.
            self._resume_input()

    def dropConnection(self, abort: bool = False) -> None:
        # After the other side's close an abort would throw our own away, if it is not written yet:
        # where that close is itself a violation, or both said goodbye at once.
        abort = abort and not self.wasClean
        super().dropConnection(abort)
        if not abort:
            # Twisted waits for ever for a reader that does not read. Aborting twice is harmless.
            reactor.callLater(CLOSE_S, self.transport.abortConnection)

    def connectionLost(self, *args: Any) -> None:
        self.resumeProducing()
        super().connectionLost(*args)

    def _resume_input(self) -> None:
        self.is_input_paused = False
        self.transport.resumeProducing()
        self.consumeData()


class SocketFactory(WebSocketFactory):
    """Makes the sockets, and each frame once for all of them."""

    protocol = Socket
    message_bytes_max: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        server = self.server_class
        server.websocket_connect_timeout = max(server.websocket_connect_timeout, HANDSHAKE_S)
        # By the text's identity, which is its own for as long as it is kept here.
        self._frames: dict[int, tuple[str, bytes]] = {}

    def setProtocolOptions(self, **options: Any) -> None:
        for name in ("maxMessagePayloadSize", "maxFramePayloadSize"):
            options[name] = min(options.get(name) or self.message_bytes_max, self.message_bytes_max)
        options["autoPingTimeout"] = min(options.get("autoPingTimeout") or PONG_S, PONG_S)
        timeout_s = max(options.get("openHandshakeTimeout") or 0, HANDSHAKE_S)
        options["openHandshakeTimeout"] = timeout_s
        super().setProtocolOptions(
            **options, versions=[13], failByDrop=False, closeHandshakeTimeout=CLOSE_S
        )

    def frame(self, message: dict[str, Any]) -> bytes:
        """Return the frame of a `websocket.send`.

        A text that goes to many sockets is framed for the first of them only, provided that it
        is the very same object.
        """
        text: str | None = message.get("text")
        if text is None:
            return self._frame(message["bytes"], is_binary=True)
        kept = self._frames.get(id(text))
        if kept is not None:
            return kept[1]
        frame = self._frame(text.encode(), is_binary=False)
        if len(text) <= KEPT_TEXT_MAX:
            self._frames[id(text)] = text, frame
            if len(self._frames) > FRAMES_KEPT:
                del self._frames[next(iter(self._frames))]
        return frame

    def _frame(self, payload: bytes, *, is_binary: bool) -> bytes:
        frame: bytes = self.prepareMessage(payload, is_binary, doNotCompress=True).payloadHybi
        return frame
