"""daphne's HTTP with deadlines, a limit on bodies, and a send that waits."""

# daphne and Twisted have hardly any types.
# mypy: allow-subclassing-any, allow-untyped-calls

import asyncio
from io import BytesIO
from typing import Any, BinaryIO

from daphne.http_protocol import HTTPFactory, WebRequest
from twisted.web import http

from config.hardening.bodies import LINGER_S, too_large
from config.hardening.daphne_flow import Flow

# Seconds for a whole request head, however it drips in.
HEAD_S = 10
# Seconds between a response and the next request of a connection.
IDLE_S = 60
# Seconds between two pieces of a body; on average it must come at this rate after the first.
BODY_S = 30
BODY_BYTES_PER_SECOND = 4096
# Headers of which a request has one at most (RFC 9110, 7.2; RFC 6454, 7.3).
ONCE = (b"Host", b"Origin")
# Bytes of a response written at once, and the seconds a reader may take for them.
PIECE_BYTES = 64 * 1024
PIECE_S = 60


class Channel(http.HTTPChannel):
    """One HTTP connection, with a deadline for each of its states but the application's turn."""

    is_idle = False
    # Seconds from a deadline to the abort of a connection that does not close.
    abortTimeout = 5

    def connectionMade(self) -> None:
        super().connectionMade()
        self.setTimeout(HEAD_S)

    def resetTimeout(self) -> None:
        """Begin a head's deadline with its first byte, and move none with the following ones."""
        if self.is_idle and self.timeOut is not None:
            self.is_idle = False
            self.setTimeout(HEAD_S)

    def allContentReceived(self) -> None:
        # This timeout is laid aside during the response and comes back at its end.
        self.setTimeout(IDLE_S)
        self.is_idle = True
        super().allContentReceived()


class Request(Flow, WebRequest):
    """One request. The application's `receive` and `send` are methods of it."""

    body_bytes_max: int
    received_bytes = 0
    is_refused = False
    # daphne's is empty once the application begins; it reads the other, where it was spooled.
    content: BinaryIO | None
    body: BinaryIO | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Twisted would parse a form itself, whole and in memory; daphne never looks at it.
        super().__init__(*args, parsePOSTFormSubmission=False, **kwargs)

    # The application's side

    async def receive(self) -> dict[str, Any]:
        if self.body is not None:
            chunk = self.body.read(PIECE_BYTES)
            if len(chunk) < PIECE_BYTES:
                self._close_body()
                return {"type": "http.request", "body": chunk, "more_body": False}
            return {"type": "http.request", "body": chunk, "more_body": True}
        message: dict[str, Any] = await self.application_queue.get()
        if message["type"] == "http.request":  # The empty one that stood in for the body.
            message = await self.application_queue.get()
        return message

    async def send(self, message: dict[str, Any]) -> None:
        """Hand a message over, and return when the transport is not congested."""
        body = message.get("body", b"")
        for start in range(0, len(body) - PIECE_BYTES, PIECE_BYTES):
            piece = body[start : start + PIECE_BYTES]
            await self._hand_over({**message, "body": piece, "more_body": True})
        if len(body) > PIECE_BYTES:
            message = {**message, "body": body[(len(body) - 1) // PIECE_BYTES * PIECE_BYTES :]}
        await self._hand_over(message)

    async def _hand_over(self, message: dict[str, Any]) -> None:
        await self.server.handle_reply(self, message)
        while self.drained is not None:
            try:
                async with asyncio.timeout(PIECE_S):
                    await self.drained.wait()
            except TimeoutError:
                self.transport.abortConnection()
                return

    def take_body(self) -> None:
        """Leave daphne an empty body to put into memory, and begin to listen to the transport."""
        self.body, self.content = self.content, BytesIO()
        self.registerProducer(self, True)

    # The transport's side

    def gotLength(self, length: int | None) -> None:
        if length is not None and length > self.body_bytes_max:
            self._refuse()
            return
        super().gotLength(length)
        self.body_began_at = self.channel.factory.reactor.seconds()
        self.channel.setTimeout(BODY_S)

    def handleContentChunk(self, data: bytes) -> None:
        if self.is_refused:
            return
        self.received_bytes += len(data)
        if self.received_bytes > self.body_bytes_max:
            self._refuse()
            return
        super().handleContentChunk(data)
        spent_s = self.channel.factory.reactor.seconds() - self.body_began_at
        left_s = BODY_S + self.received_bytes / BODY_BYTES_PER_SECOND - spent_s
        self.channel.setTimeout(max(0, min(BODY_S, left_s)))

    def requestReceived(self, *args: Any) -> None:
        if not self.is_refused:
            super().requestReceived(*args)

    def process(self) -> Any:
        # Whoever sends this header chooses the mount point of the site.
        self.requestHeaders.removeHeader(b"Daphne-Root-Path")
        # They would be joined by a comma: a host or an origin that nobody named.
        for name in ONCE:
            if len(self.requestHeaders.getRawHeaders(name, [])) > 1:
                return self.basic_error(400, b"Bad Request", f"Doubled header {name.decode()}")
        offers = self.requestHeaders.getRawHeaders(b"Sec-WebSocket-Protocol", [])
        if not all(offer.isascii() for offer in offers):
            return self.basic_error(400, b"Bad Request", "Invalid sub-protocol")
        return super().process()

    def handle_exception(self, exception: BaseException) -> None:
        # A second head would raise, which ends daphne's loop that clears finished connections.
        if self._response_started:
            self.transport.abortConnection()
        else:
            super().handle_exception(exception)

    def finish(self) -> None:
        if self.producer is not None:
            self.unregisterProducer()
            self.resumeProducing()
        self._close_body()
        super().finish()

    def connectionLost(self, *args: Any) -> None:
        self.resumeProducing()
        self._close_body()
        super().connectionLost(*args)

    def _close_body(self) -> None:
        if self.body is not None:
            self.body.close()
            self.body = None

    def _refuse(self) -> None:
        self.is_refused = True
        if self.content is not None:
            self.content.close()
            self.content = None
        self.requestHeaders.removeHeader(b"Expect")
        body = too_large(self.body_bytes_max)
        self.channel.transport.write(
            b"HTTP/1.1 413 Content Too Large\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        self.channel.callLater(LINGER_S, self.channel.transport.abortConnection)


class RequestFactory(HTTPFactory):
    """Makes the HTTP connections."""

    protocol = Channel

    def buildProtocol(self, addr: Any) -> Any:
        channel = super().buildProtocol(addr)
        channel.requestFactory = Request
        return channel

    def acceptableProtocols(self) -> list[bytes]:
        """HTTP/2 has none of these bounds."""
        return [b"http/1.1"]
