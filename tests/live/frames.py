"""What RFC 6455 says of frames, as a table: what a client sends, and what must come of it.

The kinds are those of the base cases of Autobahn|Testsuite, and some more: whole messages, pings
and pongs, reserved bits, opcodes, fragments, text that is no text, and the end.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.live.raw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

Sent = bytes | tuple[bytes, ...]

MESSAGE_BYTES_MAX = 128 * 1024
HELLO = "Hello-µ@ßöäüàá-UTF-8!!".encode()
VIOLATION, NO_TEXT, TOO_BIG = 1002, 1007, 1009
# Section 7.4. 1014 was registered later, and servers differ.
LAWFUL_CODES = [*range(1000, 1004), *range(1007, 1014), 3000, 3999, 4000, 4001, 4999]
UNLAWFUL_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]


@dataclass(frozen=True)
class Case:
    """Bytes that are written one after another, and the server's part."""

    name: str
    sent: tuple[bytes, ...]
    # (opcode, payload) in order; where the case ends in a close, the last ones may be missing.
    messages: tuple[tuple[int, bytes], ...] = ()
    pongs: tuple[bytes, ...] = ()
    # What the server's close frame holds; None while it has no reason to send one.
    closes_with: bytes | None = None


def octets(*frames: bytes) -> tuple[bytes, ...]:
    """Cut into single bytes."""
    return tuple(bytes([byte]) for each in frames for byte in each)


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def fragments(opcode: int, *parts: bytes) -> list[bytes]:
    """Return the frames of one message that is sent in parts."""
    last = len(parts) - 1
    return [
        frame(CONTINUATION if place else opcode, part, fin=place == last)
        for place, part in enumerate(parts)
    ]


def code(number: int, reason: bytes = b"") -> bytes:
    return struct.pack("!H", number) + reason


def echoed(name: str, opcode: int, payload: bytes, *sent: bytes) -> Case:
    return Case(name, sent or (frame(opcode, payload),), messages=((opcode, payload),))


def violated(
    name: str, *sent: bytes, before: Iterable[tuple[int, bytes]] = (), number: int = VIOLATION
) -> Case:
    return Case(name, sent, messages=tuple(before), closes_with=code(number))


# --- 5.6: whole messages ----------------------------------------------------------------------


def messages() -> Iterator[Case]:
    sizes = [0, 1, 125, 126, 127, 128, 65535, 65536, MESSAGE_BYTES_MAX - 1, MESSAGE_BYTES_MAX]
    for kind, opcode, byte in (("text", TEXT, b"*"), ("binary", BINARY, b"\xfe")):
        for size in sizes:
            payload = byte * size
            yield echoed(f"{kind} of {size} bytes", opcode, payload)
            key = frame(opcode, payload, key=b"\x37\xfa\x21\x3d")
            yield echoed(f"{kind} of {size} bytes under a key", opcode, payload, key)
        long = byte * 65536
        yield echoed(f"{kind} in writes of 997", opcode, long, *pieces(frame(opcode, long), 997))
        yield echoed(f"{kind} in octets", opcode, byte * 300, *octets(frame(opcode, byte * 300)))
        in_1300 = fragments(opcode, *pieces(long, 1300))
        yield echoed(f"{kind} in frames of 1300", opcode, long, *in_1300)
        several = [byte * 10, b"", byte * 70000]
        yield Case(
            f"{kind}: several in one write",
            (b"".join(frame(opcode, each) for each in several),),
            messages=tuple((opcode, each) for each in several),
        )
    yield echoed("text of which every character is long", TEXT, "𝄞".encode() * 32768)


def oversize() -> Iterator[Case]:
    for kind, opcode in (("text", TEXT), ("binary", BINARY)):
        above = b"x" * (MESSAGE_BYTES_MAX + 1)
        yield violated(f"{kind} above the limit", frame(opcode, above), number=TOO_BIG)
        two = fragments(opcode, above[:70000], above[70000:])
        yield violated(f"{kind} above the limit in two frames", *two, number=TOO_BIG)
        many = fragments(opcode, *pieces(above, 4096))
        yield violated(f"{kind} above the limit in many", b"".join(many), number=TOO_BIG)
        announced = struct.pack("!BBQ", 128 | opcode, 128 | 127, 2**40) + bytes(4)
        yield violated(f"{kind} of a terabyte, announced", announced, number=TOO_BIG)
        at = fragments(opcode, above[:70000], above[70000:-1])
        yield echoed(f"{kind} at the limit in two frames", opcode, above[:-1], *at)
    four_bytes = "𝄞".encode() * 32768 + b"x"
    yield violated("text within the limit by characters", frame(TEXT, four_bytes), number=TOO_BIG)


# --- 5.5: pings and pongs ---------------------------------------------------------------------


def control() -> Iterator[Case]:
    payloads = {
        "nothing": b"",
        "text": b"Hello, world!",
        "bytes": bytes([0x00, 0xFF, 0xFE, 0xFD, 0x00, 0xFF]),
        "125 bytes": b"\xfe" * 125,
    }
    for name, payload in payloads.items():
        yield Case(f"a ping with {name}", (frame(PING, payload),), pongs=(payload,))
        yield Case(f"a pong with {name} that nobody asked for", (frame(PONG, payload),))
    long = frame(PING, b"\xfe" * 125, key=b"abcd")
    yield Case("a ping in octets", octets(long), pongs=(b"\xfe" * 125,))
    asked = tuple(f"ping {number}".encode() for number in range(10))
    pings = [frame(PING, payload) for payload in asked]
    yield Case("ten pings in one write", (b"".join(pings),), pongs=asked)
    yield Case("ten pings in octets", octets(*pings), pongs=asked)
    both = (frame(PONG, b"unasked"), frame(PING, b"asked"))
    yield Case("a ping after a pong that nobody asked for", both, pongs=(b"asked",))
    mixed = (frame(TEXT, HELLO), frame(PING, b"1"), frame(BINARY, b"\x00"), frame(PING, b"2"))
    answers = ((TEXT, HELLO), (BINARY, b"\x00"))
    yield Case("pings between messages", mixed, messages=answers, pongs=(b"1", b"2"))
    for kind, opcode in (("ping", PING), ("pong", PONG), ("close", CLOSE)):
        yield violated(f"a {kind} of 126 bytes", frame(opcode, code(1000) + b"x" * 124))
        yield violated(f"a {kind} of 70000 bytes", frame(opcode, code(1000) + b"x" * 70000))
        yield violated(f"a {kind} that is not final", frame(opcode, code(1000), fin=False))
        rest = frame(CONTINUATION, b"x")
        yield violated(f"a {kind} in two frames", frame(opcode, code(1000), fin=False), rest)
        yield violated(f"a {kind} that is not masked", frame(opcode, code(1000), mask=False))


# --- 5.2: reserved bits, opcodes, lengths, masks ----------------------------------------------


def reserved() -> Iterator[Case]:
    hello, before = frame(TEXT, HELLO), [(TEXT, HELLO)]
    for bits in range(1, 8):
        bad = frame(TEXT, HELLO, reserved=bits)
        yield violated(f"text with reserved bits {bits:03b}", bad)
        yield violated(f"text with {bits:03b} after text", hello, bad, frame(PING), before=before)
        yield violated(f"text with {bits:03b} in octets", *octets(hello, bad), before=before)
        for kind, opcode in (("binary", BINARY), ("ping", PING), ("pong", PONG), ("close", CLOSE)):
            bad = frame(opcode, code(1000), reserved=bits)
            yield violated(f"a {kind} with {bits:03b}", hello, bad, before=before)
        part, bad = frame(TEXT, HELLO, fin=False), frame(CONTINUATION, HELLO, reserved=bits)
        yield violated(f"a continuation with {bits:03b}", part, bad)
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield violated(f"opcode {opcode}", frame(opcode))
        yield violated(f"opcode {opcode} with a payload", frame(opcode, b"reserved"))
        bad = frame(opcode, b"reserved")
        yield violated(f"opcode {opcode} after text", hello, bad, frame(PING), before=before)
        yield violated(f"opcode {opcode} in octets", *octets(hello, bad, hello), before=before)
        yield violated(f"opcode {opcode} in a message", frame(TEXT, HELLO, fin=False), bad)
    for kind, opcode in (("text", TEXT), ("binary", BINARY)):
        yield violated(f"a {kind} that is not masked", frame(opcode, HELLO, mask=False))
        yield violated(f"an empty {kind} that is not masked", frame(opcode, mask=False))
    part, bare = frame(TEXT, HELLO, fin=False), frame(CONTINUATION, HELLO, mask=False)
    yield violated("a continuation that is not masked", part, bare)
    for key in (b"\xff\xff\xff\xff", b"\x00\x00\x00\x01", b"\x80\x00\x00\x00"):
        yield echoed(f"text under the key {key.hex()}", TEXT, HELLO, frame(TEXT, HELLO, key=key))


# --- 5.4: fragments ---------------------------------------------------------------------------


def fragmented() -> Iterator[Case]:
    parts = (b"fragment1", b"fragment2")
    whole = b"".join(parts)
    first, second = fragments(TEXT, *parts)
    ping, pong = frame(PING, b"between"), (b"between",)
    answer = ((TEXT, whole),)
    for cut, name in ((octets, "in octets"), (lambda *frames: (b"".join(frames),), "in one write")):
        yield Case(f"text in two frames, {name}", cut(first, second), answer)
        with_ping = cut(first, ping, second)
        yield Case(f"a ping between two frames, {name}", with_ping, answer, pong)
    yield Case("text in two frames", (first, second), answer)
    yield Case("binary in two frames", tuple(fragments(BINARY, *parts)), ((BINARY, whole),))
    yield Case("a ping between two frames", (first, ping, second), answer, pong)
    yield Case("a pong between two frames", (first, frame(PONG, b"x"), second), answer)
    for name, empty in (("first", (b"", whole)), ("last", (whole, b"")), ("all", (b"",) * 3)):
        payload = b"".join(empty)
        yield echoed(f"text whose {name} frame is empty", TEXT, payload, *fragments(TEXT, *empty))
        sent = fragments(BINARY, *empty)
        yield echoed(f"binary whose {name} frame is empty", BINARY, payload, *sent)
    five = fragments(TEXT, b"1", b"2", b"3", b"4", b"5")
    pings = [frame(PING, str(number).encode()) for number in range(4)]
    woven = (five[0], pings[0], five[1], pings[1], *five[2:4], pings[2], pings[3], five[4])
    pongs = (b"0", b"1", b"2", b"3")
    yield Case("pings between five frames", woven, ((TEXT, b"12345"),), pongs)
    yield Case("pings between five frames, in octets", octets(*woven), ((TEXT, b"12345"),), pongs)
    for name, fin in (("final", True), ("that is not final", False)):
        alone = frame(CONTINUATION, b"alone", fin=fin)
        yield violated(f"a continuation of nothing, {name}", alone, frame(TEXT, HELLO))
        after = violated(
            f"a continuation {name} after a message", first, second, alone, before=answer
        )
        yield after
    for opcode, other in ((TEXT, TEXT), (TEXT, BINARY), (BINARY, TEXT), (BINARY, BINARY)):
        begun = frame(opcode, b"begun", fin=False)
        yield violated(f"opcode {other} within a message of {opcode}", begun, frame(other, b"new"))
        unfinished = frame(other, b"new", fin=False)
        name = f"opcode {other} begins within a message of {opcode}"
        yield violated(name, begun, unfinished, frame(CONTINUATION, b"x"))


# --- 8.1: text that is none -------------------------------------------------------------------


def texts() -> Iterator[Case]:
    for sample in (
        b"",
        "κόσμε".encode(),
        HELLO,
        "\ufeffmark".encode(),
        b"\x00",
        "日本語 🇦🇶".encode(),
    ):
        yield echoed(f"the text {sample!r}", TEXT, sample)
        if sample:
            parts = fragments(TEXT, *pieces(sample, 1))
            yield echoed(f"the text {sample!r} in frames of an octet", TEXT, sample, *parts)
            sent = octets(frame(TEXT, sample))
            yield echoed(f"the text {sample!r} in octets", TEXT, sample, *sent)
    edges = [0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x10FFFF]
    noncharacters = [plane << 16 | end for plane in range(1, 17) for end in (0xFFFE, 0xFFFF)]
    for number in [*edges, *noncharacters]:
        payload = b"<" + chr(number).encode() + b">"
        yield echoed(f"the text U+{number:04X}", TEXT, payload)
    for payload in (*_not_utf8(), *(_around(bad) for bad in _not_utf8())):
        shown = payload.hex(" ")
        yield violated(f"no text: {shown}", frame(TEXT, payload), number=NO_TEXT)
        middle = len(payload) // 2
        halves = fragments(TEXT, payload[:middle], payload[middle:])
        yield violated(f"no text in two frames: {shown}", *halves, number=NO_TEXT)
        sent = octets(*fragments(TEXT, *pieces(payload, 1)))
        yield violated(f"no text in octets: {shown}", *sent, number=NO_TEXT)
        yield echoed(f"bytes may be anything: {shown}", BINARY, payload)
    cut = fragments(TEXT, "κόσμε".encode()[:-1], b"")
    yield violated("a character cut off before an empty last frame", *cut, number=NO_TEXT)
    begun = frame(TEXT, "κ".encode()[:1], fin=False)
    ended = frame(CONTINUATION, "κ".encode()[1:])
    woven = (begun, frame(PING, b"\xff"), ended)
    yield Case("a ping within a character", woven, ((TEXT, "κ".encode()),), (b"\xff",))


def _around(bad: bytes) -> bytes:
    return "κόσμε".encode() + bad + b"edited"


def _not_utf8() -> list[bytes]:
    """Return what a strict decoder refuses, each for a reason of its own."""
    found = [
        *(bytes([byte]) for byte in (0x80, 0xBF, 0xC0, 0xC1, 0xC2, 0xE0, 0xF0, 0xF5, 0xFE, 0xFF)),
        *(bytes([first] * 2) for first in (0xC2, 0xE1, 0xF1)),
        # Cut off before the last byte, of each length.
        "¢".encode()[:-1],
        "€".encode()[:-1],
        "𐍈".encode()[:-1],
        # Overlong forms of "/" and of the last character that needs less.
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x84\x80\x80\x80\x80",
        # Surrogates, alone and in pairs; beyond Unicode.
        *(b"\xed" + bytes([second, 0x80]) for second in (0xA0, 0xAF, 0xB0)),
        b"\xed\xaf\xbf",
        b"\xed\xbf\xbf",
        b"\xed\xa0\x80\xed\xb0\x80",
        b"\xed\xaf\xbf\xed\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf7\xbf\xbf\xbf",
    ]
    return list(dict.fromkeys(found))


# --- 7: the end -------------------------------------------------------------------------------


def closing() -> Iterator[Case]:
    for number in LAWFUL_CODES:
        sent = frame(CLOSE, code(number))
        yield Case(f"close {number}", (sent,), closes_with=code(number))
        reasoned = frame(CLOSE, code(number, b"because of " + HELLO))
        yield Case(f"close {number} with a reason", (reasoned,), closes_with=code(number))
    yield Case("a close without a code", (frame(CLOSE),), closes_with=b"")
    longest = frame(CLOSE, code(1000, b"*" * 123))
    yield Case("a close with the longest reason", (longest,), closes_with=code(1000))
    yield violated("a close of one byte", frame(CLOSE, b"\x03"))
    for number in UNLAWFUL_CODES:
        yield violated(f"close {number}", frame(CLOSE, code(number)))
        yield violated(f"close {number} with a reason", frame(CLOSE, code(number, b"because")))
    for bad in (b"\xff", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80", b"\xc3"):
        name = f"a close whose reason is no text: {bad.hex(' ')}"
        yield violated(name, frame(CLOSE, code(1000, bad)), number=NO_TEXT)
    bye, lawful = frame(CLOSE, code(1000)), code(1000)
    for name, after in {
        "text": frame(TEXT, HELLO),
        "a ping": frame(PING, b"late"),
        "a close": frame(CLOSE, code(1001)),
        "what is no frame": b"\xff" * 20,
        "a lot": frame(BINARY, b"x" * 65536) * 8,
    }.items():
        yield Case(f"{name} after the close, in one write", (bye + after,), closes_with=lawful)
        yield Case(f"{name} after the close", (bye, after), closes_with=lawful)
    yield Case(
        "text before the close", (frame(TEXT, HELLO), bye), ((TEXT, HELLO),), closes_with=lawful
    )
    part = frame(TEXT, b"begun", fin=False)
    yield Case("a close within a message", (part, bye), closes_with=lawful)
    name = "a close within a message that goes on"
    yield Case(name, (part, bye, frame(CONTINUATION, b"x")), closes_with=lawful)
    yield Case("a close in octets", octets(bye), closes_with=lawful)


CASES = [
    *messages(),
    *oversize(),
    *control(),
    *reserved(),
    *fragmented(),
    *texts(),
    *closing(),
]
