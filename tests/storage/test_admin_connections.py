"""The admin's list of connections, and who may do what with one. The acts: tests/socket."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from chat.models import Connection, Lease, User
from chat.models.lease import LEASE_SECONDS
from tests.people import World, make_person

pytestmark = pytest.mark.django_db

LIST = "/admin/chat/connection/"
# Django writes the `=` of an id so in its addresses.
PAGE = f"{LIST}Ecrmfdd1oAMAdhQ_3D/"


@pytest.fixture
def row(world: World) -> Connection:
    """A connection of bob's, to a process that lives."""
    now = timezone.now()
    Lease.objects.create(node="living", host="x", pid=1, is_shared=True, renewed_at=now)
    row: Connection = Connection.objects.create(
        connection_id="Ecrmfdd1oAMAdhQ=",
        user=world.bob,
        domain_name="chat.example.org",
        source_ip="192.0.2.7",
        user_agent="<a bot>/1.0",
        connected_at=now,
        last_active_at=now,
        subscriptions={
            "rooms": ["a", "b", "c", "d", "e", "f"],
            "topics": ["race/7"],
            "filters": [{"event_type": "NESClick", "filter_field": "color", "filter_expr": ">3"}],
        },
        ttl=int(time.time()) + 100,
        node="living",
    )
    return row


def as_staff(*permissions: str) -> Client:
    """Sign in somebody who may do that much with connections."""
    person = make_person("staff", is_staff=True)
    for name in permissions:
        permission = Permission.objects.get(codename=f"{name}_connection")
        person.user_permissions.add(permission)
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def caretaker(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("caretaker"))
    return client


def test_the_list_tells_who_is_connected_to_what(caretaker: Client, row: Connection) -> None:
    page = caretaker.get(LIST).content.decode()
    for told in (row.pk, "bob", "192.0.2.7", "&lt;a bot&gt;/1.0", "a, b, c, d, +2", "living"):
        assert told in page
    assert '<span class="process alive"' in page
    assert "chat.example.org" in caretaker.get(f"{PAGE}change/").content.decode()


def test_a_process_that_is_gone_is_shown_as_such(caretaker: Client, row: Connection) -> None:
    over = timezone.now() - timedelta(seconds=LEASE_SECONDS + 1)
    Lease.objects.filter(node="living").update(renewed_at=over)
    assert '<span class="process gone"' in caretaker.get(LIST).content.decode()


def test_the_page_tells_all_that_is_listened_to(caretaker: Client, row: Connection) -> None:
    page = caretaker.get(f"{PAGE}change/").content.decode()
    assert "filters: event_type=NESClick filter_expr=&gt;3 filter_field=color\n" in page
    assert "rooms: a, b, c, d, e, f\ntopics: race/7" in page


def test_a_connection_of_nobody_or_of_an_account_that_is_gone_is_listed(
    caretaker: Client, row: Connection
) -> None:
    for user_id in (None, 10**9):
        Connection.objects.update(user_id=user_id)
        assert row.pk in caretaker.get(LIST).content.decode()
        assert caretaker.get(f"{PAGE}change/").status_code == 200


@pytest.mark.parametrize("search", ["Ecrmfdd1", "bob", "192.0.2", "a bot", "living"])
def test_a_connection_is_found_by_what_is_known_of_it(
    caretaker: Client, row: Connection, search: str
) -> None:
    assert row.pk in caretaker.get(LIST, {"q": search}).content.decode()
    assert row.pk not in caretaker.get(LIST, {"q": f"{search}x"}).content.decode()


def test_rows_are_not_written_by_hand(caretaker: Client, row: Connection) -> None:
    assert caretaker.get(f"{LIST}add/").status_code == 403
    assert caretaker.post(f"{PAGE}delete/", {"post": "yes"}).status_code == 403
    caretaker.post(f"{PAGE}change/", {"user_agent": "other", "_save": "Save"})
    row.refresh_from_db()
    assert row.user_agent == "<a bot>/1.0"


def test_each_button_has_a_permission_of_its_own(row: Connection) -> None:
    viewer = as_staff("view")
    page = viewer.get(f"{PAGE}change/").content.decode()
    assert ('name="_inspect"' in page, 'name="_send"' in page, "Drop…" in page) == (
        *(True, False, False),
    )
    assert viewer.post(f"{PAGE}change/", {"_inspect": "1"}).status_code == 302
    assert viewer.post(f"{PAGE}change/", {"_send": "1", "text": "x"}).status_code == 403
    assert viewer.get(f"{PAGE}drop/").status_code == 403
    assert viewer.post(f"{PAGE}drop/").status_code == 403


def test_who_may_send_and_drop_sees_the_buttons(row: Connection) -> None:
    staff = as_staff("view", "change", "delete")
    page = staff.get(f"{PAGE}change/").content.decode()
    assert 'name="_send"' in page
    assert f'href="{PAGE}drop/"' in page
    question = staff.get(f"{PAGE}drop/").content.decode()
    assert "bob" in question
    assert "4012" in question


def test_staff_without_permissions_and_others_see_nothing(row: Connection, world: World) -> None:
    staff = as_staff()
    for url in (LIST, f"{PAGE}change/", f"{PAGE}drop/"):
        assert staff.get(url).status_code == 403
    assert staff.post(f"{PAGE}change/", {"_inspect": "1"}).status_code == 403
    stranger = Client()
    stranger.force_login(world.bob)
    for url in (LIST, f"{PAGE}change/", f"{PAGE}drop/"):
        assert stranger.get(url).status_code == 302, "to the sign-in page"


@pytest.mark.parametrize("text", ["", "x" * (128 * 1024 + 1), "é" * (64 * 1024 + 1)])
def test_what_cannot_be_sent_is_refused_on_the_page(
    caretaker: Client, row: Connection, text: str
) -> None:
    answer = caretaker.post(f"{PAGE}change/", {"_send": "1", "text": text})
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert not LogEntry.objects.exists()


def test_a_reason_that_fits_into_no_close_is_refused(caretaker: Client, row: Connection) -> None:
    answer = caretaker.post(f"{PAGE}drop/", {"reason": "é" * 62})
    assert answer.status_code == 200
    assert "At most 123 bytes." in answer.content.decode()


def test_a_process_that_serves_nobody_says_that_it_does_not_know(
    caretaker: Client, row: Connection
) -> None:
    """As this one, without a hub: it claims neither that it was done nor that it is gone."""
    answer = caretaker.post(f"{PAGE}change/", {"_inspect": "1"}, follow=True)
    assert "Its process does not answer" in answer.content.decode()
    [entry] = LogEntry.objects.all()
    assert entry.get_change_message().startswith("Asked after it. Its process does not answer")
    assert entry.object_id == row.pk
