"""Those who listen over HTTP: long-polls, and streams of Server-Sent Events, one room each."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import httpx

from tests.live.client import Position
from tests.scenarios.listener import Listener, Record
from tests.scenarios.phases import Phases
from tests.scenarios.wire import event

# Seconds that a poll waits for something new, and within which something has to come at all.
WAIT_S, SILENCE_S = 10, 60.0
# Seconds before the next try, at most.
PAUSE_S = 1.0
# The database or the process is away, or too much was asked.
LATER = (429, 502, 503)


class Reader(Listener):
    """Asks again with its position, at the other process when the one is away."""

    def __init__(
        self, urls: Sequence[str], token: str, room: str, phases: Phases, first: int
    ) -> None:
        super().__init__(urls, token, [room], phases, first)
        self.room = room
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.AsyncClient(headers=headers, timeout=SILENCE_S, trust_env=False)

    async def run(self) -> None:
        async with self._http:
            while not self._is_stopping:
                try:
                    await self._ask(f"{self._urls[self.at]}/api/rooms/{self.room}")
                    continue
                except httpx.HTTPStatusError as error:
                    status = error.response.status_code
                    self.counts[f"answered {status}"] += 1
                    if status not in LATER:
                        self.faults.append(f"was answered {status}: {error.response.text[:200]}")
                        return
                except httpx.HTTPError as error:
                    self.counts[f"unanswered: {type(error).__name__}"] += 1
                self.is_live = False
                self.at = (self.at + 1) % len(self._urls)
                await asyncio.sleep(random.uniform(0, PAUSE_S))

    async def _ask(self, address: str) -> None:
        """Ask once. Raises what httpx raises."""
        raise NotImplementedError


class Poller(Reader):
    """Long-polls."""

    async def _ask(self, address: str) -> None:
        record = self.records.get(self.room)
        query: dict[str, Any] = {"wait": WAIT_S}
        if record is not None:
            query |= {"epoch": record.position.epoch, "after_seq": record.position.seq}
        answer = await self._http.get(f"{address}/events/", params=query)
        answer.raise_for_status()
        self.is_live = True
        found = answer.json()
        head = Position(found["epoch"], found["seq"])
        if record is None:
            self.records[self.room] = Record(head)
        elif found["recovered"] is True:
            for members in found["events"]:
                self._take(event(members))
            if record.position != head:
                self.faults.append(f"a poll ends at {record.position}, and says {head}")
        else:
            missing = head.seq - record.position.seq
            self._begin_anew(self.room, record, head, str(found["reason"]), missing)


class Streamer(Reader):
    """Reads one endless answer after another."""

    async def _ask(self, address: str) -> None:
        record = self.records.get(self.room)
        headers = {}
        if record is not None:
            headers["Last-Event-ID"] = f"{record.position.epoch}:{record.position.seq}"
        async with self._http.stream("GET", f"{address}/stream/", headers=headers) as answer:
            if answer.is_error:
                await answer.aread()
            answer.raise_for_status()
            self.is_live = True
            try:
                async with aclosing(records_of(answer)) as records:
                    async for fields in records:
                        self._hear(fields)
                        if self._is_stopping:
                            return
            finally:
                self.is_live = False
        # The server has ended it; the next one is asked at once, or after a failure in a while.
        self.at = (self.at + 1) % len(self._urls)

    def _hear(self, fields: dict[str, str]) -> None:
        if "data" not in fields:
            return
        data = json.loads(fields["data"])
        record = self.records.get(self.room)
        if fields.get("event") == "head":
            epoch, _, seq = fields["id"].rpartition(":")
            told = Position(epoch, int(seq))
            if record is None:
                self.records[self.room] = Record(told)
            elif told != record.position:
                self.faults.append(f"a stream begins at {told}, not at {record.position}")
        elif record is not None and fields.get("event") == "gap":
            head = Position(data["epoch"], data["seq"])
            missing = head.seq - record.position.seq
            self._begin_anew(self.room, record, head, data["reason"], missing)
        elif "event" in fields:
            self.faults.append(f"{fields}")
        else:
            self._take(event(data))


async def records_of(answer: httpx.Response) -> AsyncGenerator[dict[str, str], None]:
    """Split a stream into records, each its fields by name; comments are skipped."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line == "":
            if fields:
                yield fields
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
