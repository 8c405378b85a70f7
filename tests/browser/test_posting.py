"""Two people, two browsers: what one posts, the other sees."""

import io
import json
import re

from PIL import Image
from playwright.sync_api import Route, expect

from tests.browser.conftest import Meet
from tests.browser.people import PHONE, Client, photo

POSTS = re.compile(r"/api/rooms/[^/]+/posts/$")


def test_a_line_and_a_photo_are_seen_at_once_and_survive_a_reload(meet: Meet, room: str) -> None:
    alice, bob = meet("alice").open(room), meet("bob", viewport=PHONE).open(room)
    alice.post("First light", photo())

    card = bob.card("First light")
    expect(card.locator("footer")).to_contain_text(re.compile(r"@alice \(\d+/\d+/\d{4}\)"))
    expect(card.locator("time")).to_have_attribute("title", re.compile(r"\d{4} at \d+:\d\d:\d\d"))
    image = card.locator("img")
    # Upright, whatever the camera's own orientation was, with its place reserved.
    expect(image).to_have_attribute("width", "600")
    expect(image).to_have_attribute("height", "800")
    expect(image).to_have_js_property("complete", True)
    assert image.evaluate("image => image.naturalWidth < image.naturalHeight")
    for person in (alice, bob):
        person.page.reload()
        person.expect_live()
        expect(person.card("First light")).to_have_count(1)


def test_the_place_where_a_photo_was_taken_is_told_to_nobody(meet: Meet, room: str) -> None:
    alice, bob = meet("alice").open(room), meet("bob").open(room)
    alice.post("Somewhere", photo())

    links = bob.card("Somewhere").locator("a")
    sources = bob.card("Somewhere").locator("img")
    expect(links).to_have_count(1)
    paths = [str(links.get_attribute("href")), str(sources.get_attribute("src"))]
    for path in paths:
        file = bob.context.request.get(path)
        assert file.ok
        assert not Image.open(io.BytesIO(file.body())).getexif()


def test_a_described_picture_keeps_its_description(meet: Meet, room: str) -> None:
    alice, bob = meet("alice").open(room), meet("bob").open(room)
    alice.write("", photo("a.jpg"), photo("b.jpg"))
    alice.page.get_by_label("Description of a.jpg").fill("Sky over sand")
    alice.page.get_by_label("Remove b.jpg").click()
    alice.page.get_by_role("button", name="POST!").click()

    expect(bob.page.get_by_role("img", name="Sky over sand")).to_have_count(1)
    expect(bob.page.locator("pg-post img")).to_have_count(1)


def test_a_post_shows_at_once_and_stays_one_card(meet: Meet, room: str) -> None:
    alice, bob = meet("alice").open(room), meet("bob").open(room)
    held: list[Route] = []
    alice.page.route(POSTS, lambda route: held.append(route))
    alice.post("Slow network", photo())

    card = alice.card("Slow network")
    expect(card).to_contain_text("Sending")
    expect(card.locator("img")).to_have_js_property("complete", True)
    expect(alice.page.get_by_label("What’s Up?")).to_have_value("")
    assert bob.card("Slow network").count() == 0
    held[0].continue_()
    expect(bob.card("Slow network")).to_be_visible()
    expect(alice.page.get_by_text("Sending")).to_have_count(0)
    alice.expect_texts("Slow network")


def test_a_lost_answer_is_asked_for_again_and_makes_no_second_post(
    meet: Meet, room: str, clients: dict[str, Client]
) -> None:
    alice = meet("alice", expected_errors="net::ERR_FAILED", has_sockets_in_hand=True).open(room)
    sent: list[str] = []

    def lose_the_first_answer(route: Route) -> None:
        sent.append(route.request.post_data or "")
        if len(sent) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    alice.block_sockets()
    alice.expect_state("polling")
    alice.page.route(POSTS, lose_the_first_answer)
    alice.post("Said once")

    alice.expect_texts("Said once")
    expect(alice.page.locator(".post--pending")).to_have_count(0)
    assert clients["bob"].texts(room) == ["Said once"]
    assert len(sent) == 2
    assert len({re.search("[0-9a-f]{32}", body)[0] for body in sent if body}) == 1  # type: ignore[index]


def test_a_refused_post_says_why_and_is_sent_again_when_asked(meet: Meet, room: str) -> None:
    alice = meet("alice", expected_errors="403").open(room)
    refusal = json.dumps({"error": {"code": "forbidden", "message": "Not now."}})
    alice.page.route(POSTS, lambda route: route.fulfill(status=403, body=refusal))
    alice.post("Try me")
    card = alice.card("Try me")
    expect(card).to_contain_text("Not posted. Not now.")

    alice.page.unroute(POSTS)
    card.get_by_role("button", name="Try again").click()
    expect(alice.page.locator(".post--pending")).to_have_count(0)
    alice.page.reload()
    alice.expect_texts("Try me")


def test_a_text_is_as_long_as_its_characters_not_as_their_halves(
    meet: Meet, room: str, clients: dict[str, Client]
) -> None:
    alice = meet("alice").open(room)
    alice.post("😀" * 4001)
    expect(alice.page.get_by_role("alert")).to_contain_text("1 too many")
    expect(alice.page.get_by_text("1 too many", exact=True)).to_be_visible()

    alice.post("😀" * 4000)
    alice.expect_texts("😀" * 4000)
    expect(alice.page.locator(".post--pending")).to_have_count(0)
    assert clients["bob"].texts(room) == ["😀" * 4000]


def test_a_file_that_is_no_picture_is_refused_in_words(meet: Meet, room: str) -> None:
    alice = meet("alice", expected_errors="415").open(room)
    words = b"Not a picture"
    alice.write("", {"name": "notes.txt", "mimeType": "text/plain", "buffer": words})
    problem = alice.page.get_by_role("alert")
    expect(problem).to_contain_text("notes.txt")
    expect(problem).to_contain_text("JPEG, PNG, WebP, GIF")

    # One that lies about itself gets as far as the server, whose bytes decide.
    alice.post("Look", {"name": "cat.jpg", "mimeType": "image/jpeg", "buffer": words})
    card = alice.card("Look")
    expect(card).to_contain_text("Not posted.")
    expect(card).to_contain_text("JPEG")
    card.get_by_role("button", name="Discard").click()
    expect(card).to_have_count(0)


def test_edits_reactions_and_deletions_show_to_the_other_at_once(meet: Meet, room: str) -> None:
    alice, bob = meet("alice").open(room), meet("bob").open(room)
    alice.post("Frist light")
    expect(bob.card("Frist light")).to_be_visible()

    card = alice.page.locator("pg-post").first
    card.hover()
    card.get_by_role("button", name="Edit").click()
    alice.page.get_by_label("Text of the post").fill("First light")
    alice.page.keyboard.press("Control+Enter")
    expect(bob.card("First light")).to_contain_text("edited")

    bob.card("First light").get_by_role("button", name="React").click()
    bob.page.get_by_role("button", name="Party").click()
    for person in (alice, bob):
        expect(person.page.locator("button[data-reaction]")).to_have_text(["🎉 1"])
    expect(bob.page.locator("button[data-reaction]")).to_have_attribute("aria-pressed", "true")
    alice.page.locator("button[data-reaction]").click()
    expect(bob.page.locator("button[data-reaction]")).to_have_text(["🎉 2"])
    bob.page.locator("button[data-reaction]").click()
    alice.page.locator("button[data-reaction]").click()
    for person in (alice, bob):
        expect(person.page.locator("button[data-reaction]")).to_have_count(0)

    card.hover()
    card.get_by_role("button", name="Delete").click()
    expect(bob.page.locator("pg-post")).to_have_count(0)
    alice.page.get_by_role("button", name="Undo").click()
    for person in (alice, bob):
        person.expect_texts("First light")
    expect(alice.page.get_by_role("button", name="Undo")).to_have_count(0)


def test_nobody_is_offered_to_change_what_is_not_theirs(meet: Meet, room: str) -> None:
    alice, bob = meet("alice").open(room), meet("bob").open(room)
    alice.post("Mine")
    card = bob.card("Mine")
    card.hover()

    expect(card.get_by_role("button", name="React")).to_be_visible()
    expect(card.get_by_role("button", name="Edit")).to_have_count(0)
    expect(card.get_by_role("button", name="Delete")).to_have_count(0)


def test_markup_in_a_post_is_text(meet: Meet, room: str, clients: dict[str, Client]) -> None:
    text = '<img src=x onerror="document.title = 1"><script>document.title = 2</script>'
    alice = meet("alice").open(room)
    clients["bob"].post(room, text)

    alice.expect_texts(text)
    alice.page.reload()
    alice.expect_live()
    alice.expect_texts(text)
    assert room in alice.page.title()
    assert alice.page.locator("pg-post img").count() == 0


def test_pictures_are_dropped_and_pasted_anywhere(meet: Meet, room: str) -> None:
    alice = meet("alice").open(room)
    give = """([type, bytes]) => {
        const transfer = new DataTransfer();
        const file = new File([Uint8Array.from(bytes)], `${type}.jpg`, { type: 'image/jpeg' });
        transfer.items.add(file);
        const init = { bubbles: true, cancelable: true };
        const event = type === 'paste'
            ? new ClipboardEvent(type, { ...init, clipboardData: transfer })
            : new DragEvent(type, { ...init, dataTransfer: transfer });
        document.querySelector('h1').dispatchEvent(event);
    }"""
    picture = list(photo()["buffer"])
    alice.page.evaluate(give, ["dragenter", picture])
    expect(alice.page.get_by_text("Drop your pictures")).to_be_visible()
    alice.page.evaluate(give, ["drop", picture])
    expect(alice.page.get_by_text("Drop your pictures")).to_be_hidden()
    alice.page.evaluate(give, ["paste", picture])

    expect(alice.page.get_by_label("Remove drop.jpg")).to_be_visible()
    expect(alice.page.get_by_label("Remove paste.jpg")).to_be_visible()
