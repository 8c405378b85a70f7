"""Files of deleted posts go when nobody can bring the posts back, and not before."""

from __future__ import annotations

import os
import time
import uuid
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings

from chat.models import RoomEvent
from posts import services as posts
from posts.attachments import store
from posts.models import Picture, Post
from posts.sweeping import sweep, sweep_leftovers, sweep_orphans
from tests.people import World
from tests.storage.pictures import add_picture

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings: Settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def picture(world: World) -> Picture:
    post = posts.create_post(viewer=world.bob, room_slug="garden", text="Look")
    picture = add_picture(post, alt="A hedge")
    put_file(picture.pk)
    return picture


def put_file(picture_id: uuid.UUID) -> Path:
    file = store().folder(picture_id) / "original.png"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"a picture")
    return file


def delete(post: Post, *, minutes_ago: float) -> None:
    post.refresh_from_db()
    post.deleted_at = timezone.now() - timedelta(minutes=minutes_ago)
    post.save()


def age(path: Path, *, hours: float) -> None:
    then = time.time() - hours * 3600
    os.utime(path, (then, then))


def test_files_stay_while_the_deletion_can_be_undone(picture: Picture) -> None:
    delete(picture.post, minutes_ago=django_settings.UNDO_MINUTES - 1)
    assert sweep() == 0
    assert store().path(picture.pk, "original.png")


def test_files_go_when_it_cannot_and_only_once(picture: Picture) -> None:
    delete(picture.post, minutes_ago=django_settings.UNDO_MINUTES + 1)
    events = RoomEvent.objects.count()
    assert sweep() == 1
    assert store().path(picture.pk, "original.png") is None
    picture.refresh_from_db()
    assert picture.files_removed_at is not None
    assert sweep() == 0
    assert RoomEvent.objects.count() == events


def test_a_sweep_that_was_cut_short_is_finished_by_the_next(picture: Picture) -> None:
    delete(picture.post, minutes_ago=django_settings.UNDO_MINUTES + 1)
    store().remove(picture.pk)
    assert sweep() == 1
    assert sweep() == 0


def test_standing_and_hidden_posts_keep_their_files(world: World, picture: Picture) -> None:
    posts.hide_post(viewer=world.alice, post_id=picture.post_id)
    assert sweep() == 0
    assert store().path(picture.pk, "original.png")


def test_servers_spare_files_they_do_not_know_and_an_operator_may_remove_them(
    media: Path, picture: Picture
) -> None:
    foreign = put_file(uuid.uuid4())
    leftover = media / "pictures" / "incoming" / "cut-short"
    leftover.mkdir(parents=True)
    for folder in (foreign.parent, leftover, store().folder(picture.pk)):
        age(folder, hours=2)
    assert sweep_leftovers() == 1
    assert foreign.exists()
    assert sweep_orphans() == 1
    assert not foreign.exists()
    assert store().path(picture.pk, "original.png")


def test_the_command_says_what_it_removed(picture: Picture) -> None:
    delete(picture.post, minutes_ago=django_settings.UNDO_MINUTES + 1)
    out = StringIO()
    call_command("sweep", stdout=out)
    assert "1 pictures" in out.getvalue()
