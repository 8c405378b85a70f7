"""Programs that use the connections API with the stock AWS client, and what they reach."""

import asyncio
import json
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

import boto3
from botocore.config import Config
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.live.client import DEADLINE_S, open_socket
from tests.live.servers import AppServer, Site

# Well-formed, and nobody's.
NOBODY = "Ecrmfdd1oAMAdhQ="

MAKE_KEYS = """
import json
from chat.models import User
from chat.services import issue_access_key
User.objects.filter(username__in=["alice", "bob"]).update(is_staff=True)
keys = {
    name: issue_access_key(user=User.objects.get(username=person), scopes=[scope])
    for name, person, scope in (
        ("staff", "alice", "connections"),
        ("without the scope", "alice", "read"),
        ("no longer staff", "bob", "connections"),
        ("revoked", "alice", "connections"),
    )
}
User.objects.filter(username="bob").update(is_staff=False)
keys["revoked"][0].revoke()
print(json.dumps({name: [str(key), token] for name, (key, token) in keys.items()}))
"""


@dataclass(frozen=True)
class KeyPair:
    """A key as AWS clients have it."""

    id: str
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        """What a program without an AWS client sends."""
        return {"Authorization": f"Bearer {self.secret}"}


def make_keys(site: Site) -> dict[str, KeyPair]:
    """Make staff of alice, and keys named by what is right or wrong with them."""
    printed = json.loads(site.run("manage.py", "shell", "--verbosity", "0", "-c", MAKE_KEYS))
    return {name: KeyPair(*pair) for name, pair in printed.items()}


def management(url: str, key: KeyPair, *, attempts: int = 1, **config: Any) -> Any:
    """Return boto3's own client of the connections API at an address."""
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=url,
        region_name="eu-north-1",
        aws_access_key_id=key.id,
        aws_secret_access_key=key.secret,
        # No proxy of whoever runs the tests stands between.
        config=Config(retries={"total_max_attempts": attempts}, proxies={}, **config),
    )


class Target:
    """A socket that is reached from outside."""

    def __init__(self, socket: ClientConnection, connection_id: str) -> None:
        self.socket = socket
        self.id = connection_id

    @classmethod
    async def connect(cls, server: AppServer, token: str, **options: Any) -> Self:
        opened = await open_socket(f"{server.ws_url}/ws/", token=token, **options)
        hello = json.loads(await opened.recv())
        return cls(opened, hello["connection_id"])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close()

    async def received(self) -> str | bytes:
        """Wait for the next message."""
        async with asyncio.timeout(DEADLINE_S):
            return await self.socket.recv()

    async def closed(self) -> tuple[int | None, str | None]:
        """Wait for the end; return its code and reason."""
        async with asyncio.timeout(DEADLINE_S):
            with suppress(ConnectionClosed):
                while True:
                    await self.socket.recv()
        return self.socket.close_code, self.socket.close_reason

    def reset(self) -> None:
        """End the connection without a word: RST."""
        connection = self.socket.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.transport.abort()


@asynccontextmanager
async def forgetful_proxy(server: AppServer, losses: int) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Yield an address before a server where the first answers are lost, and what was sent to it.

    Each connection carries one request.
    """
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await whole(reader))
        there_reader, there = await asyncio.open_connection("127.0.0.1", server.port)
        there.write(requests[-1])
        answer = await whole(there_reader)
        there.close()
        if len(requests) > losses:
            writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", requests


async def whole(reader: asyncio.StreamReader) -> bytes:
    """Read one request or answer, whose body has a length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return head + await reader.readexactly(int(length[1]) if length else 0)
