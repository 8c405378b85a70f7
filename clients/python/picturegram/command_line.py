"""The command `picturegram`: follow rooms and topics, post, publish."""

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from picturegram import rest
from picturegram.address import site_url
from picturegram.client import connect
from picturegram.errors import PicturegramError, Refused, Stopped, Unknown, Unreachable
from picturegram.lines import line_of
from picturegram.wire import Frame

DEFAULT_URL = "http://127.0.0.1:8000"
EXIT_REFUSED, EXIT_USAGE, EXIT_UNREACHABLE, EXIT_UNKNOWN = 1, 2, 3, 4
EPILOG = """\
The address and the token are best kept in PICTUREGRAM_URL and PICTUREGRAM_TOKEN: other people of
a machine can read its command lines.

exit codes: 0 done, 1 refused, 2 wrong usage, 3 not reached, 4 outcome unknown, 130 interrupted"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="picturegram: %(message)s", level=logging.WARNING)
    try:
        options.run(options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read us has seen enough; Python's own flush at the end would say it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (PicturegramError, OSError, ValueError) as error:
        return _fail(error, options.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--url", default=os.environ.get("PICTUREGRAM_URL", DEFAULT_URL))
    shared.add_argument("--token", default=os.environ.get("PICTUREGRAM_TOKEN"))
    shared.add_argument("--json", action="store_true", help="print JSON, an object per line")
    parser = argparse.ArgumentParser(
        prog="picturegram",
        description="Take part in a PictureGram from a shell.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    tail = commands.add_parser("tail", parents=[shared], help="print what happens, as it happens")
    tail.add_argument("names", nargs="*", metavar="ROOM|TOPIC", help="a topic has a slash in it")
    tail.add_argument(
        "--topic", action="append", default=[], dest="topics", help="one without a slash, too"
    )
    tail.set_defaults(run=_tail)

    post = commands.add_parser("post", parents=[shared], help="post a text, pictures, or both")
    post.add_argument("room")
    post.add_argument("text", nargs="?", default="", help="- reads it from standard input")
    post.add_argument("--image", action="append", default=[], metavar="FILE", dest="images")
    post.add_argument("--alt", action="append", default=[], dest="alts", help="for the n-th image")
    post.set_defaults(run=_post)

    publish = commands.add_parser("publish", parents=[shared], help="publish an event to a topic")
    publish.add_argument("topic")
    publish.add_argument("event_type")
    publish.add_argument("payload", help='JSON, such as \'{"color": "blue"}\'')
    publish.set_defaults(run=_publish)
    return parser


def _tail(options: argparse.Namespace) -> None:
    topics = [name for name in options.names if "/" in name] + options.topics
    rooms = [name for name in options.names if "/" not in name]
    if not topics and not rooms:
        raise ValueError("Name at least one ROOM|TOPIC to follow, or give --topic.")

    async def follow() -> None:
        async with connect(options.url, token=options.token) as client:
            await client.subscribe(*rooms, topics=topics)
            print(f"Following {', '.join(rooms + topics)}", file=sys.stderr, flush=True)
            async for event in client.events():
                _print(event, line_of(event), options.json)

    asyncio.run(follow())


def _post(options: argparse.Namespace) -> None:
    text = sys.stdin.read() if options.text == "-" else options.text
    if len(options.alts) > len(options.images):
        raise ValueError("There are more --alt than --image.")
    alts = options.alts + [""] * len(options.images)
    images = [
        rest.Image.from_file(path, alt) for path, alt in zip(options.images, alts, strict=False)
    ]
    site = rest.Site(site_url(options.url), options.token)
    post = site.create_post(options.room, {"text": text}, images)
    _print(post, f"Posted to {post['room']}: {post['id']}", options.json)


def _publish(options: argparse.Namespace) -> None:
    try:
        payload: Any = json.loads(options.payload)
    except ValueError as error:
        raise ValueError(f"The payload is no JSON: {error}") from None
    if not isinstance(payload, dict):
        raise ValueError(f"The payload is no JSON object: {options.payload}")

    async def publish() -> Frame:
        async with connect(options.url, token=options.token) as client:
            return await client.publish(options.topic, options.event_type, payload)

    position = asyncio.run(publish())
    _print(position, f"Published to {position['topic']}: {position['offset']}", options.json)


def _print(frame: Frame, line: str, is_json: bool) -> None:
    print(json.dumps(frame, ensure_ascii=False) if is_json else line, flush=True)


def _fail(error: Exception, is_json: bool) -> int:
    """Say on standard error what went wrong; return the exit code."""
    match error:
        case Unreachable():
            code, advice = EXIT_UNREACHABLE, "Is the address right? Give --url or PICTUREGRAM_URL."
        case Unknown():
            code, advice = EXIT_UNKNOWN, "It may have been done all the same."
        case Refused(code="not_authenticated") | Stopped(code=401 | 403 | 4001):
            code, advice = EXIT_REFUSED, "Give a token that is valid: --token or PICTUREGRAM_TOKEN."
        case PicturegramError():
            code, advice = EXIT_REFUSED, ""
        case _:
            code, advice = EXIT_USAGE, ""
    if is_json:
        name = error.code if isinstance(error, Refused) else type(error).__name__.lower()
        told = {"error": {"code": name, "message": str(error)}}
        print(json.dumps(told, ensure_ascii=False), file=sys.stderr)
    else:
        print(f"picturegram: {error} {advice}".rstrip(), file=sys.stderr)
    return code
