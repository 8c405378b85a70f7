"""Events as lines for people."""

import json
from datetime import datetime
from typing import Any

from picturegram.wire import Frame


def line_of(event: Frame) -> str:
    """Return an event as one line of text that is safe to print on a terminal."""
    where = event.get("room") or event.get("topic") or "-"
    return printable(f"{_clock(event)} {where} {_told(event)}")


def printable(text: str) -> str:
    """Return the text without what would move a terminal's cursor or worse; one line."""
    shown = " ⏎ ".join(text.splitlines())
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in shown
    )


def _clock(event: Frame) -> str:
    """Return the time of day, here, at which it happened."""
    told = event.get("time")
    when = datetime.fromisoformat(told) if told else datetime.now().astimezone()
    return when.astimezone().strftime("%H:%M:%S")


def _told(event: Frame) -> str:
    kind, data = event["type"], event.get("data") or {}
    actor = _name(event.get("actor"))
    match kind:
        case "post.created" | "post.updated" | "post.restored" | "post.hidden" | "post.deleted":
            return _post(kind, data, actor)
        case "reaction.added":
            return f"{actor} reacted with {data['emoji']}"
        case "reaction.removed":
            return f"{actor} took {data['emoji']} back"
        case "gap":
            return f"-- some events are missing here: {event.get('reason')} --"
        case "unsubscribed":
            return f"-- not to be seen any more: {event.get('reason')} --"
        case "event":
            return f"{event.get('message_type')} {event.get('payload')}"
        case _:
            who = f"{_name(data.get('user'))} " if isinstance(data.get("user"), dict) else ""
            return f"{kind} {who}{_rest(event)}".rstrip()


def _post(kind: str, post: Frame, actor: str) -> str:
    if post.get("deleted") or post.get("hidden"):
        return f"{actor} took post {post['seq']} away"
    images = "".join(f" [{image['alt'] or 'picture'}: {image['url']}]" for image in post["images"])
    change = "" if kind == "post.created" else f" ({kind.removeprefix('post.')})"
    return f"{_name(post['author'])}{change}: {post['text']}{images}"


def _name(person: Any) -> str:
    if not person:
        return "the site"
    return str(person.get("display_name") or person.get("username"))


def _rest(event: Frame) -> str:
    return "" if "seq" in event else json.dumps(event, ensure_ascii=False)
