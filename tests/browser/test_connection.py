"""The connection as people see it: always true, and back by itself."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import Meet
from tests.browser.people import Client
from tests.live.servers import AppServer


def test_a_restarted_server_is_found_again_and_nothing_is_missing(
    meet: Meet, room: str, clients: dict[str, Client], server: AppServer
) -> None:
    alice = meet("alice", expected_errors="WebSocket|net::ERR").open(room)
    clients["bob"].post(room, "Before")
    alice.expect_texts("Before")
    server.terminate()
    alice.expect_state("reconnecting", "offline")
    expect(alice.page.locator("[data-connection-line]")).to_contain_text("Last contact")
    expect(alice.page.get_by_role("button", name="Retry now")).to_be_visible()

    server.start()
    clients["bob"].post(room, "While away")
    alice.expect_live(timeout_ms=40_000)
    clients["bob"].post(room, "After")
    alice.expect_texts("After", "While away", "Before")
    expect(alice.page.locator("[data-connection-line]")).to_be_hidden()


def test_a_machine_without_network_says_so_and_catches_up(
    meet: Meet, room: str, clients: dict[str, Client]
) -> None:
    alice = meet("alice", expected_errors="WebSocket|net::ERR").open(room)
    alice.context.set_offline(True)
    alice.expect_state("reconnecting", "offline")
    alice.post("Written without network")
    expect(alice.card("Written without network")).to_contain_text(re.compile("No answer|Sending"))
    clients["bob"].post(room, "Meanwhile")

    alice.context.set_offline(False)
    alice.expect_live()
    alice.expect_texts("Written without network", "Meanwhile")
    expect(alice.page.locator(".post--pending")).to_have_count(0)


def test_where_sockets_are_blocked_it_polls_and_goes_back_without_double_or_gap(
    meet: Meet, room: str, clients: dict[str, Client]
) -> None:
    alice = meet("alice", has_sockets_in_hand=True)
    alice.block_sockets()
    alice.page.goto(f"/rooms/{room}/")
    alice.expect_state("polling")
    posted = ["One"]
    clients["bob"].post(room, "One")
    alice.expect_texts("One")
    # Nothing new: the answer has no body.
    with alice.page.expect_response(re.compile("/events/"), timeout=25_000) as answer:
        pass
    assert answer.value.status == 304 or len(answer.value.body()) < 300

    alice.unblock_sockets()
    for number in range(5):
        text = f"Number {number}"
        posted.insert(0, text)
        clients["bob"].post(room, text)
        if number == 2:
            # The line is news for a while only; the light brings it back.
            if not alice.page.get_by_role("button", name="Retry now").is_visible():
                alice.page.get_by_role("button", name="Every 10 s").click()
            alice.page.get_by_role("button", name="Retry now").click()
    alice.expect_live(timeout_ms=40_000)
    posted.insert(0, "Last")
    clients["bob"].post(room, "Last")
    alice.expect_texts(*posted)


def test_the_light_tells_when_the_server_was_heard_last(meet: Meet, room: str) -> None:
    alice = meet("alice").open(room)
    line = alice.page.locator("[data-connection-line]")
    expect(line).to_be_hidden()
    light = alice.page.get_by_role("button", name="Live")
    light.click()
    expect(line).to_contain_text(re.compile(r"Last contact \d+:\d\d:\d\d"))
    light.click()
    expect(line).to_be_hidden()


def test_signing_out_ends_the_other_tabs_of_the_session(meet: Meet, room: str) -> None:
    bob = meet(None)
    bob.sign_in("bob")
    bob.open(room)
    tab = bob.new_page()
    tab.goto(f"/rooms/{room}/")
    expect(tab.locator("pg-connection")).to_have_attribute("data-state", "live")
    bob.page.get_by_role("button", name="Logout: bob").click()

    expect(tab.locator("pg-connection")).to_have_attribute("data-state", "stopped")
    expect(tab.locator("[data-connection-line]")).to_contain_text("You have been signed out.")
    expect(bob.page.get_by_role("banner").get_by_role("link", name="Log in")).to_be_visible()


def test_who_is_removed_from_a_room_is_told(
    meet: Meet, clients: dict[str, Client], room: str
) -> None:
    private = f"{room}-private"
    clients["alice"].create_room(private, "private")
    members = clients["alice"].http.post(f"rooms/{private}/members/", json={"username": "bob"})
    assert members.status_code == 201
    bob = meet("bob").open(private)
    clients["alice"].http.delete(f"rooms/{private}/members/bob/")

    expect(bob.page.locator("[data-connection-line]")).to_contain_text("not open to you any more")
    bob.expect_state("stopped")


def test_who_is_banned_keeps_what_was_typed_and_can_post_no_more(
    meet: Meet, clients: dict[str, Client], room: str
) -> None:
    bob = meet("bob").open(room)
    bob.write("Half a thought")
    clients["alice"].http.delete(f"rooms/{room}/members/bob/", params={"ban": 1}).raise_for_status()

    expect(bob.page.get_by_role("main").get_by_text("not open to you any more")).to_be_visible()
    text = bob.page.get_by_label("What’s Up?")
    expect(text).to_have_value("Half a thought")
    expect(text).not_to_be_editable()
    expect(bob.page.get_by_role("button", name="POST!")).to_be_hidden()
    bob.page.get_by_role("link", name="To the lobby").click()
    bob.page.wait_for_url("**/rooms/lobby/")


def test_a_stranger_finds_no_private_room_and_reads_a_public_one(
    meet: Meet, clients: dict[str, Client], room: str
) -> None:
    private = f"{room}-private"
    clients["alice"].create_room(private, "private")
    clients["alice"].post(room, "For everybody")
    charlie, nobody = meet("charlie", expected_errors="404"), meet(None, expected_errors="404")
    for stranger in (charlie, nobody):
        answer = stranger.page.goto(f"/rooms/{private}/")
        assert answer is not None
        assert answer.status == 404
        stranger.open(room).expect_texts("For everybody")
        expect(stranger.page.get_by_label("What’s Up?")).to_have_count(0)
        expect(stranger.page.get_by_role("button", name="React")).to_have_count(0)
    clients["alice"].post(room, "Live, too")
    nobody.expect_texts("Live, too", "For everybody")

    charlie.page.get_by_role("button", name="Join").click()
    charlie.post("Hello from charlie")
    nobody.expect_texts("Hello from charlie", "Live, too", "For everybody")
