"""What uvicorn lacks: an end to stalled sockets, and time to say goodbye before 1012.

The rest it does itself. What is replaced or relied on:

| name | why |
|---|---|
| `Server.startup` | the first moment at which the server's configuration can be reached |
| `Server.shutdown`, `Server.servers` | refuse newcomers and drain before the sockets are closed |
| `Config.ws_protocol_class` | names our class of sockets in place of `WebSocketsSansIOProtocol` |
| `Config.ws_max_size` | messages of 128 KiB, not 16 MiB |
| `Config.ws_per_message_deflate` | compresses each frame for each socket; we have none |
| `Config.timeout_graceful_shutdown` | waits 5 s for what still runs, where it would for ever |
| `WebSocketsSansIOProtocol.send`, `.transport`, `.loop` | `picturegram.abort`; a close that ends |
| `….handle_connect`, `.scope`, `.response`, `.conn` | the extension stands in the scope; \
a refusal names the version |
| `….conn.recv_frame`, `.current_size` | a close between two fragments counted as a violation, \
against RFC 6455, 5.4 |
| `….data_received`, `.handshake_initiated`, `.conn.handshake_exc` | no answer, ever, to a head \
that is too long or has a body |
| `….handle_close`, `.keepalive_timeout`, `.handle_parser_exception` | they close the transport, \
which waits for ever when the other side does not read; `.conn.close_sent` is missing before the \
handshake is answered |
| `….send_receive_event_to_app`, `.frames`, `.curr_msg_data_type`, `.close_sent` | \
a traceback in the log for each text that is not UTF-8 |

Slow heads and bodies have no deadline here: they are the business of a proxy in front.
"""

import logging
import socket
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import Server
from websockets.frames import Frame, Opcode

from config.hardening.draining import GRACE_S, drain
from config.hardening.limits import ABORT, CLOSE_S, Limits
from config.hardening.tested import require

logger = logging.getLogger(__name__)

# RFC 6455, 7.4.1.
INVALID_TEXT = 1007
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
TESTED = {"uvicorn": "0.54.", "websockets": "17."}

_startup, _shutdown = Server.startup, Server.shutdown


class Socket(WebSocketsSansIOProtocol):
    """One connection, which ends `CLOSE_S` after its close frame at the latest."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        take = self.conn.recv_frame

        def recv_frame(frame: Frame) -> None:
            if frame.opcode is Opcode.CLOSE:
                self.conn.current_size = None
            take(frame)

        self.conn.recv_frame = recv_frame  # type: ignore[method-assign]

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.send":
            await super().send(message)
        elif message["type"] == ABORT:
            self.transport.abort()
        else:
            if message["type"] == "websocket.close":
                # Also when the frame itself has to wait for a reader that does not read.
                self._abort_later()
            await super().send(message)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # Too long, or with a body: it was given up without a word, and the connection kept.
            self.transport.write(BAD_REQUEST)
            self.transport.close()
            self._abort_later()

    def handle_connect(self, event: Any) -> None:
        accept = self.conn.accept

        def answer(request: Any) -> Any:
            response = accept(request)
            if response.status_code != 101:
                # RFC 6455, 4.4: who asks for another version is told which one there is.
                response.headers["Sec-WebSocket-Version"] = "13"
            return response

        self.conn.accept = answer  # type: ignore[method-assign]
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["extensions"] = {**self.scope["extensions"], ABORT: {}}

    def handle_close(self, event: Any) -> None:
        super().handle_close(event)
        self._abort_later()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._abort_later()

    def handle_parser_exception(self) -> None:
        if self.conn.close_sent is None:
            # It came before the handshake was answered, so that no close frame can be sent; the
            # original fails for want of one.
            self.transport.abort()
            return
        super().handle_parser_exception()
        self._abort_later()

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent:
            self.frames = [b"".join(self.frames)]
            try:
                self.frames[0].decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.send_close(INVALID_TEXT)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def _abort_later(self) -> None:
        # Aborting what is closed already is harmless.
        self.loop.call_later(CLOSE_S, self.transport.abort)


def install(limits: Limits) -> None:
    """Replace the two methods of uvicorn's server."""
    require(TESTED, [(Server, name) for name in ("startup", "shutdown")])
    require(
        TESTED,
        [(WebSocketsSansIOProtocol, name) for name in vars(Socket) if not name.startswith("_")],
    )

    async def startup(self: Server, sockets: list[socket.socket] | None = None) -> None:
        config = self.config
        if config.ws_protocol_class is WebSocketsSansIOProtocol:
            config.ws_protocol_class = Socket
        elif config.ws_protocol_class is not Socket:
            logger.warning("With this --ws, stalled sockets cannot be aborted.")
        config.ws_per_message_deflate = False
        config.ws_max_size = min(config.ws_max_size, limits.message_bytes_max)
        if config.timeout_graceful_shutdown is None:
            config.timeout_graceful_shutdown = GRACE_S
        await _startup(self, sockets)

    Server.startup = startup  # type: ignore[method-assign]
    Server.shutdown = shutdown  # type: ignore[method-assign]


async def shutdown(self: Server, sockets: list[socket.socket] | None = None) -> None:
    """Refuse new connections, let the application say goodbye, then close as uvicorn does."""
    for listener in self.servers:
        listener.close()
    await drain()
    await _shutdown(self, sockets)
