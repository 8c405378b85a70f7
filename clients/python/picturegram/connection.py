"""A connection that is made anew whenever it is lost, and requests that outlive it."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from picturegram.ending import TOO_BIG, Ended, Ending
from picturegram.errors import Refused, Stopped, Unknown, Unreachable
from picturegram.following import Following
from picturegram.pace import Pace
from picturegram.wire import Frame, Socket

logger = logging.getLogger("picturegram")

# A socket that lived this long earns its backoff anew.
STEADY_S = 10.0
# What "later" means when the server names no time.
LATER_MS = 1000
# What a socket ends with that is refused its subscriptions for the moment.
RATE_LIMITED = 4108


class Connection:
    """One socket after the other, until the server says to stay away."""

    def __init__(self, url: str, token: str | None, following: Following, pace: Pace) -> None:
        self.url = url
        # The server's last greeting.
        self.hello: Frame = {}
        # How the last socket ended.
        self.ending = Ending(0, "no answer yet")
        # Called once with why, when no other socket will come.
        self.stopped: Callable[[Exception], None] = lambda _: None
        self._token = token
        self._following = following
        self._pace = pace
        self._runner: asyncio.Task[None] | None = None
        # The socket that is up to date, once there is one; fails when there will be none.
        self._live: asyncio.Future[Socket] = asyncio.get_running_loop().create_future()

    def start(self) -> None:
        self._runner = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Disconnect for good; whoever waits for a socket gets Stopped."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait((self._runner,))
        self._stop(Stopped(1000, "closed by this program"))

    async def socket(self) -> Socket:
        """Return the socket, once it is up to date. Raises Stopped."""
        return await asyncio.shield(self._live)

    def unreachable(self) -> Unreachable:
        """Return the error for who has waited for a socket in vain."""
        return Unreachable(f"{self.url}: {self.ending}")

    async def ask(
        self,
        action: str,
        fields: Frame,
        *,
        is_repeatable: bool,
        timeout_s: float | None,
        take: Callable[[Any], None] | None = None,
    ) -> Any:
        """Return an action's result, however many sockets it takes. See `Client.request`."""
        was_sent, cause = False, None
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    socket = await self.socket()
                    await self._pace.turn()
                    was_sent = True
                    try:
                        return await socket.request(action, fields, take)
                    except Ended as end:
                        if not is_repeatable or end.ending.code == TOO_BIG:
                            break
                    except Refused as refusal:
                        if refusal.is_unknown and not is_repeatable:
                            raise
                        cause = refusal
                        await self.wait_for(refusal)
        except TimeoutError:
            if cause is not None:
                raise cause from None
            if not was_sent:
                raise self.unreachable() from None
        raise Unknown(f"There was no answer to {action}.")

    async def wait_for(self, refusal: Refused) -> None:
        """Wait as a refusal asks, or raise it when it is final."""
        if not refusal.is_passing:
            raise refusal
        wait_ms = LATER_MS if refusal.retry_after_ms is None else refusal.retry_after_ms
        if refusal.code == "rate_limited":
            self._pace.slow_down(wait_ms)
        else:
            await asyncio.sleep(wait_ms / 1000)

    async def _run(self) -> None:
        failures = 0
        try:
            while True:
                began_at = time.monotonic()
                self.ending = await self._connect_once()
                if self.ending.is_final:
                    self._stop(Stopped(self.ending.code, self.ending.reason))
                    return
                if time.monotonic() - began_at > STEADY_S:
                    failures = 0
                pause_s = self.ending.pause_s(failures)
                failures += 1
                logger.warning("No connection: %s; again in %.1f s", self.ending, pause_s)
                await asyncio.sleep(pause_s)
        except Exception as error:
            self._stop(error)
            raise

    async def _connect_once(self) -> Ending:
        """Connect, take up and keep up what is followed; return how it ended."""
        try:
            socket = await Socket.open(self.url, self._token)
        except Ended as end:
            return end.ending
        self.hello = socket.hello
        self._pace.reset()
        keeper = asyncio.create_task(self._keep(socket))
        try:
            return await socket.read(self._following.receive)
        finally:
            if self._live.done():
                self._live = asyncio.get_running_loop().create_future()
            keeper.cancel()
            await socket.close()
            await asyncio.wait((keeper,))
            if not keeper.cancelled():
                keeper.result()

    async def _keep(self, socket: Socket) -> None:
        try:
            await self._following.take_up(socket)
            logger.info("Connected to %s", self.url)
            self._live.set_result(socket)
            await self._following.keep_up(socket)
        except Ended:
            pass  # Which `read` tells.
        except Refused as refusal:
            socket.fail(Ending(RATE_LIMITED, str(refusal), refusal.retry_after_ms))

    def _stop(self, error: Exception) -> None:
        if self._live.done():
            if self._live.exception() is not None:
                return
            self._live = asyncio.get_running_loop().create_future()
        self._live.set_exception(error)
        self._live.exception()  # Whether or not anybody waits for it.
        self.stopped(error)
