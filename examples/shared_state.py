"""A table that some players share, as such handlers are written for API Gateway.

A connection that joins becomes a player, and everybody gets the roster as `updatePlayers`.
`sendState` puts a new state on the table, which the others get as `receiveState`; who has not seen
the newest is refused with 409 and shown it. `acknowledgeState` says which version one has.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

from chat.errors import TooLarge, VersionConflict
from chat.gateway.remote import Gone, Unreached, post_now
from chat.models import SharedState

Record = dict[str, Any]

# Where the two records are kept; each is written on condition that nobody else has meanwhile.
TABLE, ROSTER = "example/table", "example/roster"
TRIES_MAX = 100
# Who has only just connected cannot be reached yet, and counts as there all the same.
OPENING_S = 10


class Refusal(Exception):
    """What the caller is told instead of a result."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.answer = {"statusCode": status, "body": json.dumps({"message": message, **more})}


def handler(event: Record, context: Any) -> Record:
    """Answer one event of a socket's life."""
    gateway = event.get("requestContext")
    if not gateway:
        return missing("requestContext")
    for name in ("routeKey", "connectionId", "domainName"):
        if not gateway.get(name):
            return missing(name)
    if gateway["routeKey"] == "$connect":
        join(gateway)
        return {"statusCode": 200, "body": "Connected"}
    if gateway["routeKey"] == "$disconnect":
        leave({gateway["connectionId"]})
        return {"statusCode": 200, "body": "Bye"}
    if not event.get("body"):
        return missing("body")
    body = parsed(event["body"])
    if not body.get("action"):
        return missing("action")
    act = ACTIONS.get(str(body["action"]))
    if act is None:
        return {"statusCode": 400, "body": f"Unknown action {body['action']}"}
    try:
        return {"statusCode": 200, "body": json.dumps(act(gateway, body))}
    except Refusal as refusal:
        return refusal.answer


def missing(name: str) -> Record:
    return {"statusCode": 400, "body": f"Missing {name}"}


def parsed(text: str) -> Record:
    """The members of the message; none for what is no JSON object."""
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


# --- the four actions ---------------------------------------------------------------------------


def update_players(gateway: Record, body: Record) -> Record:
    """Join, under a `name` if one is given, and tell everybody who is there."""
    name = body.get("name")
    return {"players": join(gateway, name if isinstance(name, str) else "")}


def send_state(gateway: Record, body: Record) -> Record:
    """Put `state` on the table. With a `version`, only if that is still the newest."""
    if "state" not in body:
        raise Refusal(400, "Missing state")
    version = body.get("version")
    for _ in range(TRIES_MAX):
        seen = SharedState.objects.at(TABLE).version if version is None else version
        try:
            stored = SharedState.objects.swap(TABLE, body["state"], version=seen)
        except TooLarge as error:
            raise Refusal(413, str(error)) from None
        except VersionConflict as conflict:
            if version is not None:
                raise Refusal(409, "Somebody was faster", current=told(conflict.current)) from None
            continue
        join(gateway, has=stored.version)
        others = players().keys() - {gateway["connectionId"]}
        leave(push(others, {"type": "receiveState", **told(stored.as_data())}))
        return {"version": stored.version}
    raise Refusal(503, "Too many states at once")


def receive_state(gateway: Record, body: Record) -> Record:
    """Tell what is on the table: version 0 while there is nothing."""
    return told(SharedState.objects.at(TABLE).as_data())


def told(table: Record) -> Record:
    return {"version": table["version"], "state": table["data"]}


def acknowledge_state(gateway: Record, body: Record) -> Record:
    """Note that the caller has `version`, and tell who has it."""
    version, newest = body.get("version"), SharedState.objects.at(TABLE).version
    if not isinstance(version, int) or not 0 < version <= newest:
        raise Refusal(400, f"There is no version {version}; the newest is {newest}")
    join(gateway, has=version)
    have = [player["name"] for player in players().values() if player["has"] >= version]
    return {"version": version, "players": sorted(have)}


ACTIONS: dict[str, Callable[[Record, Record], Record]] = {
    "updatePlayers": update_players,
    "sendState": send_state,
    "receiveState": receive_state,
    "acknowledgeState": acknowledge_state,
}


# --- the roster ---------------------------------------------------------------------------------


def players() -> dict[str, Record]:
    """Everybody at the table, by connection."""
    return SharedState.objects.at(ROSTER).as_data()["data"] or {}


def names(roster: dict[str, Record]) -> list[str]:
    return sorted(player["name"] for player in roster.values())


def join(gateway: Record, name: str = "", *, has: int = 0) -> list[str]:
    """Make sure that the caller is on the roster, and return the names on it."""
    username = gateway.get("authorizer", {}).get("username", "guest")

    def edit(roster: dict[str, Record]) -> None:
        newcomer = {"name": username, "has": 0, "since": int(time.time())}
        player = roster.setdefault(gateway["connectionId"], newcomer)
        player["name"] = name or player["name"]
        player["has"] = max(has, player["has"])

    return change_roster(edit)


def leave(connection_ids: Collection[str]) -> None:
    """Take connections that are gone off the roster."""

    def edit(roster: dict[str, Record]) -> None:
        for connection_id in connection_ids:
            roster.pop(connection_id, None)

    if connection_ids:
        change_roster(edit)


def change_roster(edit: Callable[[dict[str, Record]], None]) -> list[str]:
    """Read, edit and write the roster, again while others are faster; tell who stands on it."""
    for _ in range(TRIES_MAX):
        stored = SharedState.objects.at(ROSTER).as_data()
        roster: dict[str, Record] = stored["data"] or {}
        before, names_before = json.dumps(roster), names(roster)
        edit(roster)
        try:
            if json.dumps(roster) != before:
                SharedState.objects.swap(ROSTER, roster, version=stored["version"])
        except VersionConflict:
            continue
        if names(roster) != names_before:
            leave(push(roster, {"type": "updatePlayers", "players": names(roster)}))
            return names(players())  # without those who turned out to be gone
        return names(roster)
    raise RuntimeError("Too many players come and go.")


def push(connection_ids: Iterable[str], message: Record) -> list[str]:
    """Send a message to connections, whichever process holds them; return those that are gone."""
    data, roster, gone = json.dumps(message).encode(), players(), []
    for connection_id in connection_ids:
        try:
            post_now(connection_id, data)
        except Gone:
            if time.time() - roster.get(connection_id, {}).get("since", 0) > OPENING_S:
                gone.append(connection_id)
        except Unreached:
            pass  # Nobody knows; whoever misses something asks with receiveState.
    return gone
