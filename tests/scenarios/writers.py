"""People who write while everything breaks: each unanswered request is asked again.

Posts start at an even rate whatever becomes of those before them, over socket and REST, at either
process. Some are sent twice on purpose, at once or a moment later; some are edited, deleted and
reacted to.
"""

import asyncio
import itertools
import random
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
from websockets.exceptions import WebSocketException

from tests.live.client import Client, Closed, Refused
from tests.scenarios.phases import Phases

# Seconds without an answer after which a request counts as unanswered.
ANSWER_S = 15.0
# Seconds between two tries, at most.
PAUSE_S = 0.5
# Codes that do not say that nothing was done, or that ask to come back (protocol, section 13).
UNKNOWN = frozenset({"unavailable", "internal_error", "busy", "storage_unavailable"})
LATER = frozenset({"rate_limited"})
REPEATED, EDITED, REACTED, DELETED = 0.1, 0.1, 0.15, 0.05
EMOJI = ("🎉", "👍", "❤️", "👩‍🚀")


class Unknown(Exception):
    """A request without an answer: what became of it is not known."""


@dataclass
class Author:
    name: str
    token: str
    sockets: dict[str, Client] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass
class Created:
    """A post as its author knows it."""

    author: Author
    room: str
    client_id: str
    text: str
    sent_at: float
    answered_at: float = 0.0
    post: dict[str, Any] | None = None
    # A definite refusal, if that was the answer.
    refusal: str = ""
    # What was acknowledged later on.
    edited_to: str = ""
    is_deleted: bool = False
    reactions: set[tuple[str, str]] = field(default_factory=set)
    # Whether a reaction had to be asked again: the first request may have come through later than
    # what was asked after it, and then nobody knows what it ends with.
    has_late_reactions: bool = False


class Writers:
    """`run` writes until `stop`; afterwards `created` is what everybody was told."""

    def __init__(
        self,
        ws_urls: list[str],
        http_urls: list[str],
        tokens: dict[str, str],
        rooms: list[str],
        phases: Phases,
        *,
        per_second: float,
        has_rest: bool,
    ) -> None:
        self._ws_urls = ws_urls
        self._authors = [Author(name, token) for name, token in tokens.items()]
        self._rooms = rooms
        self._phases = phases
        self._interval_s = 1 / per_second
        self._has_rest = has_rest
        self._http = [
            httpx.AsyncClient(base_url=url, timeout=ANSWER_S, trust_env=False) for url in http_urls
        ]
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self.created: list[Created] = []
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []

    async def run(self) -> None:
        """Begin a post every so often. Each is a task of its own, so that none waits for one."""
        due = time.monotonic()
        while not self._is_stopping:
            self._spawn(self._life_of_a_post())
            due += self._interval_s
            await asyncio.sleep(max(0, due - time.monotonic()))

    async def stop(self, deadline_s: float) -> None:
        """Begin nothing new, and return when everything has its answer."""
        self._is_stopping = True
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=deadline_s)
            self.faults += [f"{len(late)} writers have no answer after {deadline_s} s"] * bool(late)
            for task in late:
                task.cancel()
        for author in self._authors:
            for client in author.sockets.values():
                await client.close()
        for http in self._http:
            await http.aclose()

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.faults.append(f"a writer failed: {error!r}")

    # --- what people do ---------------------------------------------------------------------

    async def _life_of_a_post(self) -> None:
        number = next(self._numbers)
        created = Created(
            random.choice(self._authors),
            random.choice(self._rooms),
            f"soak-{number}-{secrets.token_hex(4)}",
            f"Post {number}. " + "Words that somebody wrote. " * random.randint(0, 8),
            time.monotonic(),
        )
        self.created.append(created)
        phase = self._phases.now
        phase.posts += 1
        is_repeated = random.random() < REPEATED
        is_twin = is_repeated and random.random() < 0.5
        creates = [self._create(created) for _ in range(1 + is_twin)]
        answers = await asyncio.gather(*creates)
        if is_repeated and not is_twin:
            await asyncio.sleep(random.uniform(0.1, 3))
            answers.append(await self._create(created))
        if created.post is not None:
            phase.answers_s.append(created.answered_at - created.sent_at)
        self.counts["repeats"] += is_repeated
        if len({answer["id"] for answer in answers if answer}) > 1:
            self.faults.append(f"{created.client_id} made several posts: {answers}")
        if created.post is not None:
            with suppress(Refused):  # which is a fault already
                await self._afterwards(created)

    async def _create(self, created: Created) -> dict[str, Any] | None:
        body = {"room": created.room, "text": created.text, "client_id": created.client_id}
        try:
            post, _ = await self._insist(created.author, "post.create", body)
        except Refused as error:
            created.refusal = str(error)
            return None
        if created.post is None:
            created.post, created.answered_at = post, time.monotonic()
        return cast(dict[str, Any], post)

    async def _afterwards(self, created: Created) -> None:
        """Edit, react and delete, one after another so that the last one is known."""
        assert created.post is not None
        id = created.post["id"]
        if random.random() < EDITED:
            await asyncio.sleep(random.uniform(0, 2))
            text = f"{created.text} (edited)"
            await self._insist(created.author, "post.edit", {"id": id, "text": text})
            created.edited_to = text.strip()
        if random.random() < REACTED:
            await self._react(created, random.choice(self._authors), random.choice(EMOJI))
        if random.random() < DELETED:
            await asyncio.sleep(random.uniform(0, 1))
            await self._insist(created.author, "post.delete", {"id": id})
            created.is_deleted = True

    async def _react(self, created: Created, person: Author, emoji: str) -> None:
        assert created.post is not None
        body = {"post_id": created.post["id"], "emoji": emoji}
        _, tries = await self._insist(person, "reaction.add", body)
        created.reactions.add((person.name, emoji))
        if random.random() < 0.3:
            _, more = await self._insist(person, "reaction.remove", body)
            tries = max(tries, more)
            created.reactions.discard((person.name, emoji))
        created.has_late_reactions |= tries > 1

    # --- asking until there is an answer ----------------------------------------------------

    async def _insist(self, author: Author, action: str, body: dict[str, Any]) -> tuple[Any, int]:
        """Ask, at any process and over any transport, until there is an answer.

        Returns the result and the number of tries. Raises Refused for a definite refusal.
        """
        self.counts["requests"] += 1
        for tries in itertools.count(1):
            is_rest = self._has_rest and random.random() < 0.5
            ask: Callable[..., Awaitable[Any]] = self._ask_rest if is_rest else self._ask_socket
            place = random.randrange(len(self._ws_urls))
            pause = random.uniform(0.05, PAUSE_S)
            try:
                answer = await ask(place, author, action, body)
            except Unknown as error:
                self.counts[f"unanswered: {error}"] += 1
            except Refused as error:
                transport = "REST" if is_rest else "socket"
                if error.code not in UNKNOWN | LATER:
                    self.faults.append(f"{action} over {transport} was refused: {error}")
                    raise
                self.counts[f"{transport} answered {error.code}"] += 1
                pause = max(pause, error.error.get("retry_after_ms", 0) / 1000)
            else:
                self.counts["answers over REST" if is_rest else "answers over a socket"] += 1
                return answer, tries
            self.counts["asked again"] += 1
            await asyncio.sleep(pause)
        raise AssertionError("counting has no end")

    async def _ask_socket(
        self, place: int, author: Author, action: str, body: dict[str, Any]
    ) -> Any:
        url = self._ws_urls[place]
        client = None
        try:
            async with author.lock:
                client = author.sockets.get(url)
                if client is None or client.close_code is not None:
                    client = await Client.connect(f"{url}/ws/", token=author.token)
                    author.sockets[url] = client
            return await client.request(action, deadline_s=ANSWER_S, **body)
        except (Closed, OSError, WebSocketException) as error:
            if client is not None and isinstance(error, TimeoutError):
                # What it still does for us is of no use any more.
                author.sockets.pop(url, None)
                self._spawn(client.close())
            raise Unknown(f"socket, {type(error).__name__}") from error

    async def _ask_rest(self, place: int, author: Author, action: str, body: dict[str, Any]) -> Any:
        method, path, content = _rest(action, body)
        headers = {"Authorization": f"Bearer {author.token}"}
        try:
            answer = await self._http[place].request(method, path, json=content, headers=headers)
        except httpx.HTTPError as error:
            raise Unknown(f"REST, {type(error).__name__}") from error
        try:
            found = answer.json()
        except ValueError:
            raise Unknown(f"REST, {answer.status_code} without JSON") from None
        if answer.is_success:
            return found
        raise Refused(found["error"])


def _rest(action: str, body: dict[str, Any]) -> tuple[str, str, dict[str, Any] | None]:
    """Return method, path and body of the request that does what the socket's action does."""
    rest = {name: value for name, value in body.items() if name not in ("room", "id", "post_id")}
    if action == "post.create":
        return "POST", f"/api/rooms/{body['room']}/posts/", rest
    if action == "post.edit":
        return "PATCH", f"/api/posts/{body['id']}/", rest
    if action == "post.delete":
        return "DELETE", f"/api/posts/{body['id']}/", None
    path = f"/api/posts/{body['post_id']}/reactions/"
    if action == "reaction.add":
        return "POST", path, rest
    return "DELETE", f"{path}?{httpx.QueryParams(emoji=body['emoji'])}", None
