"""Reading: scrolling back, new posts meanwhile, pictures in full, by keyboard alone."""

from playwright.sync_api import expect

from tests.browser.conftest import Meet
from tests.browser.people import PHONE, Client, photo


def test_older_posts_load_on_scrolling_each_once(
    meet: Meet, room: str, clients: dict[str, Client]
) -> None:
    texts = [f"Post number {number}" for number in range(65)]
    for text in texts:
        clients["bob"].post(room, text)
    alice = meet("alice", viewport=PHONE).open(room)
    end = alice.page.get_by_text("That is everything so far.")
    for _ in range(40):
        if end.is_visible():
            break
        alice.page.mouse.wheel(0, 4000)
        alice.page.wait_for_function(
            "() => !document.querySelector('[data-more-word]').textContent"
        )

    alice.expect_texts(*reversed(texts))
    expect(end).to_be_visible()


def test_new_posts_wait_for_who_reads_further_down(
    meet: Meet, room: str, clients: dict[str, Client]
) -> None:
    for number in range(20):
        clients["bob"].post(room, f"Old {number}\n\n\n\n\n")
    alice = meet("alice").open(room)
    alice.page.mouse.wheel(0, 1500)
    alice.page.wait_for_function("() => window.scrollY > 1000")
    where = alice.page.evaluate("window.scrollY")
    clients["bob"].post(room, "New 1")
    clients["bob"].post(room, "New 2")

    pill = alice.page.get_by_role("button", name="2 new posts")
    expect(pill).to_be_visible()
    assert alice.page.evaluate("window.scrollY") == where
    pill.click()
    expect(alice.card("New 2")).to_be_in_viewport()
    expect(alice.page.locator("pg-post [data-text]").first).to_have_text("New 2")
    expect(pill).to_be_hidden()


def test_everything_works_by_keyboard(meet: Meet, room: str) -> None:
    alice, bob = meet("alice").open(room), meet("bob").open(room)
    alice.page.get_by_label("What’s Up?").focus()
    alice.page.keyboard.type("No mouse here")
    alice.page.keyboard.press("Control+Enter")
    expect(bob.card("No mouse here")).to_be_visible()
    alice.post("With a picture", photo())
    link = bob.page.locator("pg-post .picture__link")
    expect(link).to_have_count(1)
    link.focus()
    bob.page.keyboard.press("Enter")
    dialog = bob.page.get_by_role("dialog")
    expect(dialog.locator("img")).to_have_js_property("complete", True)
    expect(dialog.get_by_role("button", name="Close")).to_be_focused()
    bob.page.keyboard.press("Escape")

    expect(dialog).to_be_hidden()
    expect(link).to_be_focused()


def test_a_picture_is_looked_at_as_a_whole_and_in_its_own_size(meet: Meet, room: str) -> None:
    alice = meet("alice", viewport=PHONE).open(room)
    alice.post("Large", photo())
    expect(alice.page.locator(".post--pending")).to_have_count(0)
    alice.page.locator(".picture__link").click()
    dialog = alice.page.get_by_role("dialog")
    actual = dialog.get_by_role("button", name="Actual size")
    image = dialog.locator("img")
    actual.click()
    expect(actual).to_have_attribute("aria-pressed", "true")
    expect(image).to_have_js_property("clientWidth", 600)
    expect(image).to_have_js_property("clientHeight", 800)
    image.click()
    expect(actual).to_have_attribute("aria-pressed", "false")
    assert image.evaluate("image => image.clientWidth < innerWidth")


def test_the_first_thing_to_tab_to_leads_past_the_header(meet: Meet, room: str) -> None:
    nobody = meet(None).open(room)
    nobody.page.keyboard.press("Tab")

    expect(nobody.page.get_by_role("link", name="Skip to the content")).to_be_focused()


def test_a_newcomer_signs_up_and_posts_at_once(meet: Meet, clients: dict[str, Client]) -> None:
    dora = meet(None)
    dora.page.goto("/rooms/lobby/")
    dora.page.get_by_role("banner").get_by_role("link", name="Sign up").click()
    dora.page.get_by_label("Username").fill("dora")
    dora.page.get_by_label("Password").fill("a long way from home")
    dora.page.get_by_role("main").get_by_role("button", name="Sign up").click()
    dora.expect_live()
    dora.post("I am new here")

    expect(dora.card("I am new here").locator("footer")).to_contain_text("@dora")
    expect(dora.page.locator(".post--pending")).to_have_count(0)
    assert clients["bob"].texts("lobby")[0] == "I am new here"


def test_without_scripts_one_reads_posts_a_picture_and_signs_in_and_out(
    meet: Meet, room: str, clients: dict[str, Client]
) -> None:
    clients["alice"].post(room, "Before you")
    bob = meet(None, java_script_enabled=False, expected_errors="400")
    bob.sign_in("bob")
    bob.page.goto(f"/rooms/{room}/")
    bob.expect_texts("Before you")
    bob.write("No scripts needed", photo())
    bob.page.get_by_label("Describe the picture").fill("Sky over sand")
    bob.page.get_by_role("button", name="POST!").click()
    bob.expect_texts("No scripts needed", "Before you")
    expect(bob.page.get_by_role("img", name="Sky over sand")).to_be_visible()

    bob.page.get_by_role("button", name="POST!").click()
    expect(bob.page.get_by_role("alert")).to_contain_text("Write something")
    bob.page.get_by_role("button", name="Logout: bob").click()
    expect(bob.page.get_by_role("banner").get_by_role("link", name="Log in")).to_be_visible()


def test_without_scripts_older_posts_are_a_page_away(
    meet: Meet, room: str, clients: dict[str, Client]
) -> None:
    for number in range(25):
        clients["alice"].post(room, f"Post {number}")
    nobody = meet(None, java_script_enabled=False)
    nobody.page.goto(f"/rooms/{room}/")
    nobody.expect_texts(*(f"Post {number}" for number in range(24, 4, -1)))
    nobody.page.get_by_role("link", name="Older posts").click()
    nobody.expect_texts(*(f"Post {number}" for number in range(4, -1, -1)))
    nobody.page.get_by_role("link", name="To the newest").click()
    nobody.expect_texts(*(f"Post {number}" for number in range(24, 4, -1)))
