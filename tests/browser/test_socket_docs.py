"""The gateway's page: read, searched and tried out, by mouse and by keyboard."""

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Meet
from tests.browser.people import DESKTOP, PHONE, Client, Person
from tests.browser.test_looks import NARROW, look

ADDRESS = "/api/docs/socket/"
WIDE = {"width": 1440, "height": 900}
TABLET = {"width": 1024, "height": 768}


class Console:
    """The console of a person's page."""

    def __init__(self, person: Person) -> None:
        self.page = person.page
        self.root = self.page.locator("pg-console")
        self.text = self.root.get_by_label("Request")
        self.frames = self.root.locator(".frame")

    @classmethod
    def open(cls, person: Person) -> "Console":
        person.page.goto(ADDRESS)
        expect(person.page.locator("pg-console:defined")).to_be_attached()
        return cls(person)

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name, exact=True)

    def choose(self, action: str) -> None:
        self.root.get_by_label("Action").select_option(action)

    def send(self, request: dict[str, Any] | None = None) -> None:
        if request is not None:
            self.text.fill(json.dumps(request))
        self.button("Send").click()

    def frame(self, *words: str) -> Locator:
        """The last frame whose line has these words."""
        found = self.frames
        for word in words:
            found = found.filter(has_text=word)
        return found.last

    def kinds(self) -> list[str]:
        return self.root.locator(".frame:visible .frame__kind").all_text_contents()


# --- how it looks -------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, TABLET, PHONE, NARROW], ids=lambda size: size["width"])
def test_the_page_is_accessible_and_fits(meet: Meet, theme: str, viewport: dict[str, int]) -> None:
    person = meet("alice", viewport=viewport, color_scheme=theme)
    console = Console.open(person)
    size = f"{theme}-{viewport['width']}"
    look(person, f"gateway-{size}")
    person.page.locator('[data-try="post.create"]').click()
    console.send()
    expect(console.frame("↓", "post.create")).to_be_visible()
    console.frame("↓", "post.create").locator("summary").click()
    console.root.locator(".console__settings summary").click()
    look(person, f"gateway-console-{size}")


def test_without_scripts_everything_is_there_to_be_read(meet: Meet) -> None:
    page = meet(None, java_script_enabled=False).page
    page.goto(ADDRESS)
    expect(page.locator("#action-subscribe")).to_be_visible()
    expect(page.locator("#event-post\\.created")).to_be_visible()
    for snippet in page.locator("[data-snippet]").all():
        expect(snippet).to_be_visible()
    for name in ("Console", "Try it", "Copy"):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)


def test_every_link_within_the_page_leads_somewhere(meet: Meet) -> None:
    page = meet(None).page
    page.goto(ADDRESS)
    lost = page.eval_on_selector_all(
        'a[href^="#"]',
        "links => links.map(each => each.hash.slice(1)).filter(id => !document.getElementById(id))",
    )
    assert lost == []


def test_the_page_is_found_from_a_room(meet: Meet, room: str) -> None:
    page = meet(None).open(room).page
    page.get_by_role("link", name="For programs").click()
    expect(page.get_by_role("heading", name="The gateway", level=1)).to_be_visible()


# --- searching ----------------------------------------------------------------------------------


def test_a_search_leaves_what_has_its_words(meet: Meet) -> None:
    page = meet(None, viewport=WIDE).page
    page.goto(ADDRESS)
    page.keyboard.press("/")
    page.keyboard.type("reaction add")
    expect(page.locator("#action-reaction\\.add")).to_be_visible()
    expect(page.locator("#action-post\\.create")).to_be_hidden()
    expect(page.get_by_role("heading", name="Close codes")).to_be_hidden()
    expect(page.locator(".contents__list").get_by_role("link")).to_have_text(
        ["Actions", "reaction.add", "Events", "reaction.added"]
    )
    page.keyboard.press("Escape")
    expect(page.locator("#action-post\\.create")).to_be_visible()
    expect(page.get_by_role("heading", name="Close codes")).to_be_visible()
    page.keyboard.type("nothing of the kind")
    page.get_by_role("button", name="Show everything").click()
    expect(page.locator("#action-post\\.create")).to_be_visible()


def test_what_is_linked_to_is_shown_whatever_is_searched_for(meet: Meet) -> None:
    page = meet(None, viewport=WIDE).page
    page.goto(ADDRESS)
    search = page.get_by_label("Search this page")
    search.fill("history")
    page.locator("#action-history").get_by_role("link", name="Post", exact=True).first.click()
    expect(page.locator("#type-Post")).to_be_in_viewport()
    expect(search).to_have_value("")


def test_on_a_phone_the_contents_are_a_drawer(meet: Meet) -> None:
    page = meet(None, viewport=PHONE).page
    page.goto(ADDRESS)
    contents = page.get_by_role("navigation", name="Contents")
    expect(contents).to_be_hidden()
    page.get_by_role("button", name="Contents").click()
    contents.get_by_label("Search this page").fill("hist")
    contents.get_by_role("link", name="history").click()
    expect(contents).to_be_hidden()
    expect(page.locator("#action-history")).to_be_in_viewport()


# --- the console --------------------------------------------------------------------------------


def test_the_console_speaks_as_who_is_signed_in(meet: Meet, room: str) -> None:
    console = Console.open(meet("alice", viewport=WIDE))
    console.send({"action": "subscribe", "request_id": 1, "rooms": [room]})
    expect(console.root.get_by_role("status")).to_contain_text("Connected")
    hello = console.frame("hello")
    hello.locator("summary").click()
    expect(hello.locator("pre")).to_contain_text('"username": "alice"')
    console.send({"action": "post.create", "request_id": 2, "room": room, "text": "Out loud"})
    expect(console.frame("↓", "post.created")).to_contain_text("Out loud")
    assert console.kinds()[:4] == ["", "subscribe", "hello", "subscribe"]


def test_the_console_speaks_for_a_key(
    meet: Meet, tokens: dict[str, str], room: str, clients: dict[str, Client]
) -> None:
    console = Console.open(meet(None, viewport=WIDE))
    expect(console.root).to_contain_text("Anonymous, /ws/")
    console.root.locator(".console__settings summary").click()
    console.root.get_by_label("Access key").fill(tokens["bob"])
    console.root.get_by_label("Access key").press("Enter")
    expect(console.frame("hello")).to_contain_text("bob")
    expect(console.root).to_contain_text("With an access key, /ws/")
    console.send({"action": "subscribe", "request_id": 1, "rooms": [room]})
    expect(console.frame("↓", "subscribe")).to_be_visible()
    clients["alice"].post(room, "From elsewhere")
    expect(console.frame("post.created", "From elsewhere")).to_be_visible()


def test_a_refused_key_is_told(meet: Meet) -> None:
    person = meet(None, viewport=WIDE, expected_errors="WebSocket|403")
    console = Console.open(person)
    console.root.locator(".console__settings summary").click()
    console.root.get_by_label("Access key").fill("pgk_0_unknown")
    console.button("Connect").click()
    expect(console.frame("Closed with 1006")).to_be_visible()
    expect(console.root.get_by_role("status")).to_contain_text("Ended: 1006")
    console.root.get_by_label("Access key").fill("not, a, token")
    console.button("Connect").click()
    expect(console.frame("That cannot be offered")).to_be_visible()


def test_every_action_can_be_tried_with_what_is_filled_in(meet: Meet) -> None:
    console = Console.open(meet("alice", viewport=WIDE))
    names = console.root.get_by_label("Action").locator("option").all_text_contents()
    assert len(names) > 15
    for name in names:
        console.choose(name)
        request = json.loads(console.text.input_value())
        assert request["action"] == name
    # One that works for everybody, with the post that was seen last.
    console.send({"action": "post.create", "request_id": 1, "room": "lobby", "text": "Mine"})
    expect(console.frame("↓", "post.create")).to_contain_text("Mine")
    console.choose("post.edit")
    console.send()
    expect(console.frame("↓", "post.edit")).to_contain_text("Sunset over the old harbour")


def test_the_keyboard_is_enough(meet: Meet) -> None:
    person = meet("alice", viewport=WIDE)
    console = Console.open(person)
    person.page.locator('[data-try="ping"]').focus()
    person.page.keyboard.press("Enter")
    expect(console.text).to_be_focused()
    expect(console.text).to_have_value(re.compile('"action": "ping"'))
    person.page.keyboard.press("Control+Enter")
    expect(console.frame("↓", "ping")).to_be_visible()
    console.frame("↓", "ping").locator("summary").focus()
    person.page.keyboard.press("Enter")
    expect(console.frame("↓", "ping").locator("pre")).to_contain_text('"ok": true')


def test_what_is_no_json_is_said_and_sent_as_it_is(meet: Meet) -> None:
    console = Console.open(meet("alice", viewport=WIDE))
    console.text.fill("[object Object]")
    expect(console.root).to_contain_text("No JSON, and sent as it is")
    console.button("Send").click()
    expect(console.frame("unknown_action")).to_be_visible()


def test_frames_are_filtered_held_and_cleared(meet: Meet) -> None:
    console = Console.open(meet("alice", viewport=WIDE))
    for number in range(3):
        console.send({"action": "ping", "request_id": f"n{number}"})
    expect(console.frame("↓", "ping")).to_be_visible()
    expect(console.frames).to_have_count(8)
    console.root.get_by_label("Filter frames").fill("n1")
    expect(console.root.locator(".frame:visible")).to_have_count(2)
    console.root.get_by_label("Filter frames").fill("")
    console.button("Pause").click()
    console.send({"action": "ping", "request_id": "held"})
    expect(console.button("Go on (2)")).to_be_visible()
    expect(console.frames).to_have_count(8)
    console.button("Go on (2)").click()
    expect(console.frames).to_have_count(10)
    console.button("Clear").click()
    expect(console.frames).to_have_count(0)
    expect(console.root).to_contain_text("Frames show up here")


def test_what_only_keeps_the_wire_alive_is_shown_when_wanted(meet: Meet) -> None:
    console = Console.open(meet("alice", viewport=WIDE))
    console.send({"action": "ping"})
    console.send({"action": "ping", "request_id": 2})
    expect(console.frames).to_have_count(6)
    assert sorted(console.kinds()) == ["", "hello", "ping", "ping"]
    console.button("Beats").click()
    assert sorted(console.kinds()) == ["", "hello", "ping", "ping", "ping", "ping"]


def test_a_request_is_sent_again_with_changes(meet: Meet) -> None:
    console = Console.open(meet("alice", viewport=WIDE))
    console.send({"action": "ping", "request_id": "once"})
    sent = console.frame("↑", "ping")
    sent.locator("summary").click()
    sent.get_by_role("button", name="Edit and send again").click()
    expect(console.text).to_have_value('{"action": "ping", "request_id": "once"}')
    expect(console.text).to_be_focused()


def test_a_request_is_copied_as_code(meet: Meet) -> None:
    person = meet("alice", viewport=WIDE, permissions=["clipboard-read", "clipboard-write"])
    console = Console.open(person)
    console.choose("ping")
    for name, sign in (("JS", "new WebSocket("), ("Python", "asyncio.run"), ("Shell", "wscat -c")):
        button = console.button(name)
        button.click()
        expect(console.button("Copied")).to_be_visible()
        copied = person.page.evaluate("navigator.clipboard.readText()")
        assert sign in copied
        assert f"{person.url.replace('http', 'ws')}/ws/" in copied
        expect(console.button(name)).to_be_visible()


def test_leaving_and_coming_back(meet: Meet) -> None:
    console = Console.open(meet("alice", viewport=WIDE))
    console.button("Connect").click()
    expect(console.frame("hello")).to_be_visible()
    console.button("Disconnect").click()
    expect(console.root.get_by_role("status")).to_contain_text("Not connected")
    console.root.locator(".console__settings summary").click()
    console.root.get_by_label("Address").select_option("/chat")
    console.root.get_by_label("Dialect").select_option("chat")
    expect(console.root).to_contain_text("As alice, /chat, quiet")
    console.button("Connect").click()
    console.send({"action": "ping", "request_id": "q"})
    expect(console.frame("↓", "ping")).to_be_visible()
    console.frame("↓", "ping").locator("summary").click()
    expect(console.frame("↓", "ping").locator("pre")).to_contain_text('"payload"')


def test_on_a_phone_the_console_slides_in(meet: Meet) -> None:
    person = meet("alice", viewport=PHONE)
    console = Console.open(person)
    expect(console.root).to_be_hidden()
    person.page.get_by_role("button", name="Console", exact=True).click()
    expect(console.root).to_be_visible()
    console.button("Send").click()
    expect(console.frame("↓", "subscribe")).to_be_visible()
    console.button("Close the console").click()
    expect(console.root).to_be_hidden()
    person.page.locator('[data-try="ping"]').click()
    expect(console.text).to_be_focused()


# --- examples -----------------------------------------------------------------------------------


def snippet(page: Page, name: str) -> str:
    found = page.locator(f'[data-snippet="{name}"]').text_content()
    assert found is not None
    return html.unescape(found)


def test_the_example_for_browsers_hears_what_is_posted(
    meet: Meet, clients: dict[str, Client]
) -> None:
    page = meet("alice").page
    page.goto(ADDRESS)
    said: list[str] = []
    page.on("console", lambda message: said.append(json.dumps(message.args[0].json_value())))
    page.evaluate(f"() => {{ {snippet(page, 'browser')} }}")
    wait_until(page, lambda: any('"action": "subscribe"' in each for each in said))
    clients["bob"].post("lobby", "for browsers")
    wait_until(page, lambda: any("for browsers" in each for each in said))


def wait_until(page: Page, is_so: Callable[[], bool], deadline_ms: int = 15_000) -> None:
    """Wait in small steps: events of the page arrive while it is waited for."""
    for _ in range(deadline_ms // 50):
        if is_so():
            return
        page.wait_for_timeout(50)
    raise AssertionError("It has not come about.")


def test_examples_are_shown_in_tabs(meet: Meet) -> None:
    page = meet(None, viewport=DESKTOP).page
    page.goto(ADDRESS)
    page.get_by_role("tab", name="Browser").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Python")).to_be_focused()
    expect(page.get_by_role("tabpanel", name="Python")).to_be_visible()
    expect(page.get_by_role("tabpanel", name="Browser")).to_be_hidden()
    page.keyboard.press("End")
    expect(page.get_by_role("tab", name="Shell")).to_have_attribute("aria-selected", "true")
