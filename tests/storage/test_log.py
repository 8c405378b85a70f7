"""The log: one number for each event, whoever writes, and nothing without its row."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.sessions.backends.db import SessionStore
from django.core import serializers
from django.core.management import call_command
from django.db import connection, transaction
from django.forms import modelform_factory
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import DjangoAssertNumQueries

from chat.acting import SESSION_NAME, ActingMiddleware, acting
from chat.models import Membership, Room, RoomEvent
from chat.realtime import stream
from chat.realtime.doorbell import set_listener
from chat.realtime.publish import PublishedModel
from posts import services
from posts.models import Picture, Post, Reaction
from tests.people import World, make_person, make_room
from tests.storage.following import Bell, listening, log_of
from tests.storage.pictures import add_picture

real_commits = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).parent.parent.parent
PROCESSES, THREADS, POSTS_EACH = 5, 10, 4
# Seconds for all writers to be done, on a busy machine.
WRITERS_TIMEOUT_S = 100


@pytest.fixture
def bell() -> Iterator[Bell]:
    with listening() as bell:
        yield bell


# --- many writers -------------------------------------------------------------------------------


@real_commits
def test_fifty_writers_in_five_processes_leave_no_hole_and_no_double(world: World) -> None:
    started = world.garden.last_seq
    variables = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "WRITERS_DATABASE": str(connection.settings_dict["NAME"]),
    }
    command = [sys.executable, "-m", "tests.storage.writers", "garden", "alice"]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [*command, str(number), str(THREADS), str(POSTS_EACH)],
                    cwd=ROOT,
                    env=variables,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for number in range(PROCESSES)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [process.communicate(timeout=WRITERS_TIMEOUT_S)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES

    count = PROCESSES * THREADS * POSTS_EACH
    acknowledged = [seq for answer in answers for seq in json.loads(answer)]
    numbers = list(range(started + 1, started + count + 1))
    assert sorted(acknowledged) == numbers
    world.garden.refresh_from_db()
    assert world.garden.last_seq == numbers[-1]

    log = log_of(world.garden, after=started)
    assert [event["seq"] for event in log] == numbers
    assert [event["data"]["seq"] for event in log] == numbers
    times = [event["time"] for event in log]
    assert times == sorted(set(times))
    assert list(Post.objects.order_by("seq").values_list("seq", flat=True)) == numbers


# --- one transaction ----------------------------------------------------------------------------


@real_commits
def test_a_rollback_loses_row_number_and_frame_together(world: World, bell: Bell) -> None:
    before = stream.heads([world.garden.pk])

    def fail_late() -> None:
        services.create_post(viewer=world.alice, room_slug="garden", text="Never mind")
        raise RuntimeError

    with pytest.raises(RuntimeError), transaction.atomic():
        fail_late()

    assert stream.heads([world.garden.pk]) == before
    assert not Post.objects.exists()
    assert bell.frames == []
    post = services.create_post(viewer=world.alice, room_slug="garden", text="Still")
    assert post.seq == before[world.garden.pk].last_seq + 1
    assert [event["seq"] for event in bell.events(world.garden)] == [post.seq]


@real_commits
def test_nothing_rings_before_the_commit(world: World, bell: Bell) -> None:
    with transaction.atomic():
        services.create_post(viewer=world.alice, room_slug="garden", text="Soon")
        assert bell.frames == []
    assert [event["data"]["text"] for event in bell.events(world.garden)] == ["Soon"]


@real_commits
def test_what_rang_is_what_the_log_replays(world: World, bell: Bell) -> None:
    post = services.create_post(
        viewer=world.alice, room_slug="garden", text="Grüße 👩‍🚀 </script>", client_id="c-1"
    )
    services.add_reaction(viewer=world.bob, post_id=post.pk, emoji="🎉")
    assert bell.events(world.garden) == log_of(world.garden, after=world.garden.last_seq)
    first = bell.events(world.garden)[0]
    assert first["client_id"] == "c-1"
    assert first["actor"]["username"] == "alice"


@real_commits
def test_a_bell_that_is_away_fails_no_writer(world: World) -> None:
    class Broken(Bell):
        def hear_frame(self, frame: object) -> None:
            raise ConnectionError("The layer is away.")

    set_listener(Broken())
    try:
        post = services.create_post(viewer=world.alice, room_slug="garden", text="Regardless")
    finally:
        set_listener(None)
    assert Post.objects.get().pk == post.pk


# --- saves --------------------------------------------------------------------------------------


def test_a_stale_save_never_brings_back_what_was_hidden(world: World) -> None:
    post = services.create_post(viewer=world.bob, room_slug="garden", text="Hello")
    stale = Post.objects.get(pk=post.pk)
    services.hide_post(viewer=world.alice, post_id=post.pk)

    stale.text = "Hello again"
    stale.save()

    post.refresh_from_db()
    assert post.hidden_at is not None
    assert post.text == "Hello again"
    assert "Hello again" not in str(log_of(world.garden))


def test_a_stale_save_of_a_room_takes_no_number_back(world: World) -> None:
    stale = Room.objects.get(slug="garden")
    services.create_post(viewer=world.bob, room_slug="garden", text="Hello")
    stale.title = "Orchard"
    stale.save()
    room = Room.objects.get(slug="garden")
    assert room.title == "Orchard"
    assert [event["seq"] for event in log_of(room)] == list(range(1, room.last_seq + 1))


def test_a_save_that_changes_nothing_makes_no_event(world: World) -> None:
    post = services.create_post(viewer=world.bob, room_slug="garden", text="Hello")
    before = len(log_of(world.garden))
    Post.objects.get(pk=post.pk).save()
    Room.objects.get(slug="garden").save()
    Membership.objects.filter(room=world.garden)[0].save()
    assert len(log_of(world.garden)) == before


def test_a_save_from_the_shell_publishes_without_an_actor(world: World) -> None:
    post = services.create_post(viewer=world.bob, room_slug="garden", text="Hello")
    shell = Post.objects.get(pk=post.pk)
    shell.text = "From the shell"
    shell.save()
    told = log_of(world.garden)[-1]
    assert told["type"] == "post.updated"
    assert told["data"]["text"] == "From the shell"
    assert told["actor"] is None


def test_a_deletion_from_the_shell_leaves_a_tombstone(world: World) -> None:
    post = services.create_post(viewer=world.bob, room_slug="garden", text="Hello")
    with acting(world.alice.pk):
        Post.objects.filter(pk=post.pk).delete()
    told = log_of(world.garden)[-1]
    assert (told["type"], told["data"]["deleted"]) == ("post.deleted", True)
    assert told["actor"]["username"] == "alice"
    assert Post.objects.filter(pk=post.pk).exists()


@pytest.mark.parametrize("model", [Post, Picture, Reaction, Membership, Room])
@pytest.mark.parametrize(
    ("write", "values"),
    [
        ("update", {"id": 1}),
        ("bulk_create", {"objs": []}),
        ("bulk_update", {"objs": [], "fields": ["id"]}),
    ],
)
def test_bulk_writes_are_refused(
    world: World, model: type[PublishedModel], write: str, values: dict[str, object]
) -> None:
    with pytest.raises(TypeError, match="published"):
        getattr(model._default_manager.all(), write)(**values)


def test_rooms_are_never_deleted(world: World) -> None:
    with pytest.raises(TypeError, match="archived"):
        world.garden.delete()
    with pytest.raises(TypeError, match="archived"):
        Room.objects.all().delete()


def test_a_save_in_the_admin_publishes_as_its_user(world: World, rf: RequestFactory) -> None:
    boss = make_person("boss", is_staff=True)
    request = rf.post("/admin/")
    request.user = boss
    request.session = SessionStore()
    request.session[SESSION_NAME] = "its own"
    room = Room.objects.get(slug="garden")
    room.title = "Orchard"

    def save(request: HttpRequest) -> HttpResponse:
        form = modelform_factory(Room, fields=["title"])(instance=room)
        ModelAdmin(Room, AdminSite()).save_model(request, room, form, change=True)
        return HttpResponse()

    ActingMiddleware(save)(request)
    told = log_of(world.garden)[-1]
    assert (told["type"], told["data"]["title"]) == ("room.updated", "Orchard")
    assert told["actor"]["id"] == boss.pk


def test_raw_fixtures_are_loaded_without_events(world: World, tmp_path: Path) -> None:
    post = services.create_post(viewer=world.bob, room_slug="garden", text="Hello")
    add_picture(post, alt="")
    services.add_reaction(viewer=world.alice, post_id=post.pk, emoji="🎉")
    before = log_of(world.garden)
    fixture = tmp_path / "dump.json"
    rows = [*Post.objects.all(), *Picture.objects.all(), *Reaction.objects.all()]
    fixture.write_text(serializers.serialize("json", [*rows, *Membership.objects.all()]))

    call_command("loaddata", str(fixture), verbosity=0)

    assert log_of(world.garden) == before
    assert RoomEvent.objects.in_room(world.garden).count() == len(before)


# --- reading ------------------------------------------------------------------------------------


def test_what_was_trimmed_cannot_be_read(world: World) -> None:
    for text in "abc":
        services.create_post(viewer=world.bob, room_slug="garden", text=text)
    room = Room.objects.get(slug="garden")
    stream.trim(room.pk, below=room.last_seq)

    head = stream.heads([room.pk])[room.pk]
    assert head.first_seq == room.last_seq
    assert [frame.seq for frame in stream.read(head, "garden", after=room.last_seq - 1, limit=9)]
    with pytest.raises(stream.Trimmed):
        stream.read(head, "garden", after=0, limit=9)


def test_heads_of_many_rooms_are_one_query(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    rooms = [make_room(f"room-{number}", world.alice) for number in range(5)]
    with django_assert_num_queries(1):
        assert len(stream.heads([room.pk for room in rooms])) == 5


def test_a_number_is_taken_in_a_transaction_only(world: World) -> None:
    assert connection.in_atomic_block  # this test's own
    place = stream.take(world.garden.pk)
    assert place.seq == world.garden.last_seq + 1
