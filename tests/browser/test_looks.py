"""How pages look and weigh: accessible in both themes, steady, on every width, from us alone."""

import zlib
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Response, expect

from tests.browser.conftest import Meet
from tests.browser.people import DESKTOP, PHONE, Client, Person, photo

SCREENSHOTS = Path(__file__).parents[2] / "var" / "screenshots"
NARROW = {"width": 320, "height": 640}
# What the room's scripts may weigh, compressed, in bytes.
SCRIPT_BYTES_MAX = 120_000
WATCH_LAYOUT = """
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const { hadRecentInput, value, sources } of list.getEntries()) {
            const moved = sources.map(({ node }) => node?.outerHTML ?? node?.textContent);
            if (!hadRecentInput) window.shifts.push([value, moved]);
        }
    }).observe({ type: 'layout-shift', buffered: true });
"""


def assert_accessible(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    assert not [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]


def look(person: Person, name: str) -> None:
    """Check a page, and keep a picture of it for people to look at."""
    page = person.page
    assert_accessible(page)
    too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(too_wide) <= 0, f"{name} scrolls sideways"
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE, NARROW], ids=["desktop", "phone", "narrow"])
def test_every_page_is_accessible_and_fits(
    meet: Meet, room: str, clients: dict[str, Client], theme: str, viewport: dict[str, int]
) -> None:
    clients["bob"].post(room, "A line without a picture, and one that is rather long. " * 4)
    size = f"{theme}-{viewport['width']}"
    nobody = meet(None, viewport=viewport, color_scheme=theme, expected_errors="404")
    for name in ("login", "signup", "password/reset"):
        nobody.page.goto(f"/accounts/{name}/")
        look(nobody, f"{name.replace('/', '-')}-{size}")
    nobody.open(room)
    look(nobody, f"visitor-{size}")

    alice = meet("alice", viewport=viewport, color_scheme=theme).open(room)
    alice.post("A photo", photo())
    expect(alice.page.locator("pg-post img")).to_have_js_property("complete", True)
    expect(alice.page.locator(".post--pending")).to_have_count(0)
    alice.page.reload()
    alice.expect_live()
    alice.card("A photo").get_by_role("button", name="React").click()
    alice.page.get_by_role("button", name="Love").click()
    alice.page.evaluate("document.activeElement.blur()")
    look(alice, f"room-{size}")
    alice.write("Something to say", photo("a.jpg"), photo("b.jpg"))
    look(alice, f"composer-{size}")
    alice.card("A photo").hover()
    alice.card("A photo").get_by_role("button", name="Edit").click()
    look(alice, f"edit-{size}")
    alice.page.keyboard.press("Escape")
    alice.page.locator(".picture__link").click()
    expect(alice.page.get_by_role("dialog").locator("img")).to_have_js_property("complete", True)
    look(alice, f"lightbox-{size}")
    for name in ("logout", "email", "password/change"):
        alice.page.goto(f"/accounts/{name}/")
        look(alice, f"{name.replace('/', '-')}-{size}")


def test_nothing_moves_while_a_room_loads_and_lives(
    meet: Meet, room: str, clients: dict[str, Client]
) -> None:
    alice = meet("alice").open(room)
    alice.post("A photo", photo())
    expect(alice.page.locator(".post--pending")).to_have_count(0)
    for number in range(12):
        clients["bob"].post(room, f"Line {number}")
    visitor = meet("bob", viewport=PHONE)
    visitor.page.add_init_script(WATCH_LAYOUT)
    visitor.open(room)
    visitor.page.wait_for_load_state("networkidle")

    assert visitor.page.evaluate("window.shifts") == []


def test_the_scripts_of_a_room_are_light(meet: Meet, room: str) -> None:
    alice = meet("alice")
    answers: list[Response] = []
    alice.page.on("response", lambda answer: answers.append(answer))
    alice.open(room)

    scripts = [answer for answer in answers if answer.request.resource_type == "script"]
    assert len(scripts) > 30
    assert sum(len(zlib.compress(answer.body())) for answer in scripts) < SCRIPT_BYTES_MAX


def test_a_chosen_theme_is_kept_and_does_not_flash(meet: Meet, room: str) -> None:
    alice = meet("alice", color_scheme="light").open(room)
    alice.page.get_by_role("button", name="Dark").click()
    dark = alice.page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor")
    alice.page.reload(wait_until="commit")

    html = alice.page.locator("html")
    expect(html).to_have_attribute("data-theme", "dark")
    expect(html).to_have_css("background-color", dark)
    alice.page.get_by_role("button", name="As the system").click()
    expect(html).not_to_have_attribute("data-theme", "dark")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_word_without_end_stays_in_its_card(
    meet: Meet, room: str, clients: dict[str, Client], viewport: dict[str, int]
) -> None:
    word, link = "w" * 600, f"http://example.com/{'a' * 300}"
    described = {"title": "t" * 80, "description": "d" * 200}
    clients["alice"].http.patch(f"rooms/{room}/", json=described).raise_for_status()
    for text in (word, link):
        clients["alice"].post(room, text)
    alice = meet("alice", viewport=viewport).open(room)
    too_wide = "document.documentElement.scrollWidth - innerWidth"
    assert alice.page.evaluate(too_wide) <= 0
    for text in (word, link):
        card = alice.card(text)
        card.scroll_into_view_if_needed()
        card.hover()
        for name in ("Edit", "Delete", "React"):
            expect(card.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    alice.card(link).get_by_role("button", name="Edit").click()
    assert alice.page.evaluate(too_wide) <= 0
