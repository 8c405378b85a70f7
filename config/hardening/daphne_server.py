"""Installs the hardened protocols in daphne's server, and ends that server in good order.

What is replaced or relied on. `Server` is looked up when it is used, so its methods are replaced
in place; the protocols are subclasses, put where `Server.run` finds its factories.

| name | why |
|---|---|
| `daphne.server.HTTPFactory`, `.WebSocketFactory` | make our requests and sockets |
| `daphne.server.serverFromString` | a longer queue of connections that wait to be accepted |
| `Server.create_application`, `.handle_reply` | `receive` and `send` that wait |
| `Server.kill_all_applications` | forgets sockets, and dies right after an upgrade |
| `Server.connections` and its `application_instance`, `disconnected` | who is still running |
| daphne `WebSocketProtocol.handle_reply`, `.muted`, `.application_queue` | close codes, reasons |
| autobahn `WebSocketProtocol.consumeData`, `.processData`, `.state` | stops between two frames |
| `….onMessage`, `….onMessageBegin`, `….onMessageFrameBegin`, `._max_message_size_exceeded` | \
bounds on input |
| `….onPing`, `….sendCloseFrame`, `….dropConnection` | no pong, and no wait, for who does not read |
| `….remoteCloseCode`, `….wasClean` | a close is answered with its own code, and never aborted |
| `WebSocketServerFactory.setProtocolOptions`, `.prepareMessage`, `PreparedMessage.payloadHybi` | \
version 13 only, close frames instead of drops, 128 KiB; frames made once |
| `WebSocketFactory.server_class`, `Server.websocket_connect_timeout` | time for the application \
to accept |
| `FileDescriptor.dataBuffer`, `._tempDataLen`, `.writeSomeData` | nothing is buffered: write now |
| `WebRequest.process`, `.basic_error`, `.finish` | mount point, doubled headers, sub-protocols; \
the producer |
| `WebRequest.handle_exception`, `._response_started` | an exception in mid-response ended \
`Server.application_checker` |
| twisted `Request.gotLength`, `.handleContentChunk`, `.requestReceived`, `.content` | bodies |
| `HTTPChannel.resetTimeout`, `.allContentReceived`, `.setTimeout`, `.abortTimeout` | deadlines |
"""

# daphne and Twisted have hardly any types.
# mypy: allow-subclassing-any, allow-untyped-calls

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import daphne.server
from autobahn.websocket.protocol import PreparedMessage, WebSocketServerFactory
from daphne.http_protocol import WebRequest
from daphne.server import Server, reactor
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet import tcp
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.web.http import HTTPChannel

from config.hardening.daphne_requests import Request, RequestFactory
from config.hardening.daphne_sockets import Socket, SocketFactory
from config.hardening.draining import GRACE_S, drain
from config.hardening.limits import ABORT, Limits
from config.hardening.tested import Name, require

logger = logging.getLogger(__name__)

TESTED = {"daphne": "4.2.", "twisted": "26.10.", "autobahn": "26.10."}

# Connections that may wait to be accepted. daphne's 50 hold a reconnect storm to 100 per second.
BACKLOG = 1024
# Seconds for which the other sides may answer our close frames and take their last bytes.
ANSWERS_S = 1
POLL_S = 0.05


def install(limits: Limits) -> None:
    """Put everything of the table in its place."""
    require(TESTED, _names())
    SocketFactory.message_bytes_max = limits.message_bytes_max
    Request.body_bytes_max = limits.body_bytes_max
    daphne.server.HTTPFactory = RequestFactory
    daphne.server.WebSocketFactory = SocketFactory
    daphne.server.serverFromString = endpoint
    Server.create_application = create_application
    Server.kill_all_applications = shut_down


def _names() -> Iterator[Name]:
    """Yield the names of the table that exist before the first connection."""
    of: dict[object, str] = {
        daphne.server: "HTTPFactory WebSocketFactory serverFromString",
        Server: "create_application handle_reply kill_all_applications",
        WebSocketProtocol: "handle_reply muted consumeData processData onMessage onMessageBegin"
        " onMessageFrameBegin _max_message_size_exceeded onPing sendCloseFrame dropConnection",
        WebSocketServerFactory: "setProtocolOptions prepareMessage",
        PreparedMessage(b"", False, False, True): "payloadHybi",
        FileDescriptor(reactor): "dataBuffer _tempDataLen writeSomeData",
        WebRequest: "process basic_error finish handle_exception gotLength handleContentChunk"
        " requestReceived content",
        HTTPChannel: "resetTimeout allContentReceived setTimeout abortTimeout",
    }
    for owner, names in of.items():
        yield from ((owner, name) for name in names.split())


def endpoint(reactor_: Any, description: str) -> Any:
    """Return the endpoint of a description, with our queue unless it asks for its own."""
    if "backlog=" not in description and description.split(":")[0] in ("tcp", "ssl", "unix"):
        description += f":backlog={BACKLOG}"
    return serverFromString(reactor_, description)


def create_application(
    server: Server, protocol: Socket | Request, scope: dict[str, Any]
) -> asyncio.Queue[dict[str, Any]]:
    """Start the application for a connection and return the queue that feeds it."""
    scope.setdefault("asgi", {"version": "3.0"})
    if isinstance(protocol, Socket):
        scope["extensions"] = {ABORT: {}}
    else:
        protocol.take_body()
    application = server.application(scope=scope, receive=protocol.receive, send=protocol.send)
    server.connections[protocol]["application_instance"] = asyncio.ensure_future(application)
    return asyncio.Queue()


def shut_down(server: Server) -> Deferred[None]:
    """Drain, close the sockets with 1012, wait for the applications, cancel what is left."""
    return Deferred.fromFuture(asyncio.ensure_future(_shut_down(server)))


async def _shut_down(server: Server) -> None:
    for reader in reactor.getReaders():
        if isinstance(reader, tcp.Port):
            reader.stopListening()
    await drain()
    loop = asyncio.get_running_loop()
    grace_until, answers_until = loop.time() + GRACE_S, loop.time() + ANSWERS_S
    while loop.time() < grace_until:
        sockets = [protocol for protocol in server.connections if isinstance(protocol, Socket)]
        for socket in sockets:
            socket.restart()
        is_flushed = not reactor.getWriters() and all(
            "disconnected" in server.connections[socket] for socket in sockets
        )
        if not _running(server) and (is_flushed or loop.time() > answers_until):
            return
        await asyncio.sleep(POLL_S)
    late = _running(server)
    logger.warning("Cancelling %d applications after %s s", len(late), GRACE_S)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=ANSWERS_S)


def _running(server: Server) -> list[asyncio.Future[None]]:
    # A connection that has just been upgraded, or has not finished its head, has no application.
    tasks = (details.get("application_instance") for details in server.connections.values())
    return [task for task in tasks if task is not None and not task.done()]
