"""A history that is written later has its own dates, in the log's strict order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from chat.realtime.stream import dated
from posts.services import create_post
from tests.people import World

pytestmark = pytest.mark.django_db

LATER = timezone.now() + timedelta(days=1)


def test_posts_are_of_the_moment_given(world: World) -> None:
    with dated(LATER):
        post = create_post(viewer=world.bob, room_slug="garden", text="Tomorrow")
    assert post.created_at == LATER
    assert world.garden.events.latest("seq").created_at == LATER


def test_times_rise_strictly_even_if_the_moments_do_not(world: World) -> None:
    times = []
    for moment in (LATER, LATER, datetime(2001, 1, 1, tzinfo=UTC)):
        with dated(moment):
            times.append(create_post(viewer=world.bob, room_slug="garden", text="?").created_at)
    step = timedelta(microseconds=1)
    assert times == [LATER, LATER + step, LATER + 2 * step]


def test_the_clock_is_back_afterwards(world: World) -> None:
    with dated(datetime(2001, 1, 1, tzinfo=UTC)):
        pass
    before = timezone.now()
    post = create_post(viewer=world.bob, room_slug="garden", text="Now")
    assert post.created_at >= before
