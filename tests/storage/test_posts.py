"""Posts and reactions: who may, what is refused, and what a repeat does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from pytest_django import Settings

from chat import services as rooms
from chat.access import Viewer
from chat.errors import (
    AppError,
    Conflict,
    Forbidden,
    IdempotencyConflict,
    Invalid,
    NotAuthenticated,
    NotFound,
)
from chat.models import Membership, Room
from posts import services
from posts.access import access_post
from posts.models import Picture, Post
from posts.representation import post_data
from tests.people import World, make_person
from tests.storage.following import log_of
from tests.storage.pictures import add_picture, upload

NOBODY = AnonymousUser()
UNKNOWN = "0195f3c8-a511-7c3e-9b1f-2f6f0c9d1e11"


@pytest.fixture
def post(world: World) -> Post:
    """Bob's, in alice's public room."""
    return services.create_post(viewer=world.bob, room_slug="garden", text="Hello")


@pytest.fixture
def hidden_room_post(world: World) -> Post:
    """Bob's, in alice's private room."""
    return services.create_post(viewer=world.bob, room_slug="cellar", text="Psst")


def outcome(do: Callable[..., object], *args: object, **kwargs: object) -> type[AppError] | None:
    """Return what `do` was refused with, None when it was done."""
    try:
        do(*args, **kwargs)
    except AppError as error:
        return type(error)
    return None


def viewers(world: World) -> dict[str, Viewer]:
    return {
        "alice": world.alice,
        "bob": world.bob,
        "charlie": world.charlie,
        "nobody": NOBODY,
    }


# --- who may ------------------------------------------------------------------------------------

Act = Callable[[Viewer, Post], object]
RIGHTS: dict[str, tuple[Act, dict[str, type[AppError] | None], dict[str, type[AppError] | None]]]
RIGHTS = {
    # name: (act, outcomes in the public room, outcomes in the private one); bob is the author.
    "read": (
        lambda viewer, post: access_post(viewer, post.pk),
        {"alice": None, "bob": None, "charlie": None, "nobody": None},
        {"alice": None, "bob": None, "charlie": NotFound, "nobody": NotFound},
    ),
    "create": (
        lambda viewer, post: services.create_post(
            viewer=viewer, room_slug=post.room.slug, text="Hi"
        ),
        {"alice": None, "bob": None, "charlie": Forbidden, "nobody": NotAuthenticated},
        {"alice": None, "bob": None, "charlie": NotFound, "nobody": NotAuthenticated},
    ),
    "edit": (
        lambda viewer, post: services.edit_post(viewer=viewer, post_id=post.pk, text="Hi"),
        {"alice": Forbidden, "bob": None, "charlie": Forbidden, "nobody": NotAuthenticated},
        {"alice": Forbidden, "bob": None, "charlie": NotFound, "nobody": NotAuthenticated},
    ),
    "delete": (
        lambda viewer, post: services.delete_post(viewer=viewer, post_id=post.pk),
        {"alice": None, "bob": None, "charlie": Forbidden, "nobody": NotAuthenticated},
        {"alice": None, "bob": None, "charlie": NotFound, "nobody": NotAuthenticated},
    ),
    "hide": (
        lambda viewer, post: services.hide_post(viewer=viewer, post_id=post.pk),
        {"alice": None, "bob": Forbidden, "charlie": Forbidden, "nobody": NotAuthenticated},
        {"alice": None, "bob": Forbidden, "charlie": NotFound, "nobody": NotAuthenticated},
    ),
    "restore": (
        lambda viewer, post: services.restore_post(viewer=viewer, post_id=post.pk),
        {"alice": None, "bob": None, "charlie": Forbidden, "nobody": NotAuthenticated},
        {"alice": None, "bob": None, "charlie": NotFound, "nobody": NotAuthenticated},
    ),
    "react": (
        lambda viewer, post: services.add_reaction(viewer=viewer, post_id=post.pk, emoji="🎉"),
        {"alice": None, "bob": None, "charlie": Forbidden, "nobody": NotAuthenticated},
        {"alice": None, "bob": None, "charlie": NotFound, "nobody": NotAuthenticated},
    ),
    "take a reaction back": (
        lambda viewer, post: services.remove_reaction(viewer=viewer, post_id=post.pk, emoji="🎉"),
        {"alice": None, "bob": None, "charlie": Forbidden, "nobody": NotAuthenticated},
        {"alice": None, "bob": None, "charlie": NotFound, "nobody": NotAuthenticated},
    ),
}


@pytest.mark.parametrize("name", ["alice", "bob", "charlie", "nobody"])
@pytest.mark.parametrize("action", RIGHTS)
def test_everybody_tries_everything(
    world: World, post: Post, hidden_room_post: Post, action: str, name: str
) -> None:
    act, in_public, in_private = RIGHTS[action]
    viewer = viewers(world)[name]
    assert outcome(act, viewer, post) is in_public[name]
    assert outcome(act, viewer, hidden_room_post) is in_private[name]


@pytest.mark.parametrize("action", sorted(set(RIGHTS) - {"read"}))
def test_an_anonymous_write_is_refused_before_any_lookup(world: World, action: str) -> None:
    act = RIGHTS[action][0]
    nowhere = Post(pk=UNKNOWN, room=Room(slug="nowhere"))
    assert outcome(act, NOBODY, nowhere) is NotAuthenticated
    assert outcome(act, world.charlie, nowhere) is NotFound


def test_who_left_the_room_changes_nothing_in_it(world: World, post: Post) -> None:
    rooms.leave_room(viewer=world.bob, slug="garden")
    for action in ("create", "edit", "delete", "react", "take a reaction back"):
        assert outcome(RIGHTS[action][0], world.bob, post) is Forbidden
    assert outcome(access_post, world.bob, post.pk) is None


def test_who_is_banned_does_not_see_the_room(world: World, post: Post) -> None:
    rooms.remove_member(viewer=world.alice, slug="garden", username="bob", is_ban=True)
    for act, _, _ in RIGHTS.values():
        assert outcome(act, world.bob, post) is NotFound


def test_an_archived_room_is_read_only_but_for_its_moderators(world: World, post: Post) -> None:
    rooms.update_room(viewer=world.alice, slug="garden", is_archived=True)
    for action in ("create", "edit", "delete", "react", "take a reaction back"):
        assert outcome(RIGHTS[action][0], world.bob, post) is Forbidden
    assert outcome(RIGHTS["create"][0], world.alice, post) is Forbidden
    assert outcome(RIGHTS["delete"][0], world.alice, post) is None


def test_in_an_announcement_room_moderators_post(world: World, post: Post) -> None:
    rooms.update_room(viewer=world.alice, slug="garden", is_announcement_only=True)
    assert outcome(RIGHTS["create"][0], world.bob, post) is Forbidden
    assert outcome(RIGHTS["create"][0], world.alice, post) is None
    assert outcome(RIGHTS["react"][0], world.bob, post) is None


def test_who_is_muted_reads_and_does_not_post(world: World, post: Post) -> None:
    muted = Membership.objects.get(room=world.garden, user=world.bob)
    muted.muted_until = timezone.now() + timedelta(minutes=5)
    muted.save()
    with pytest.raises(Forbidden) as refusal:
        services.create_post(viewer=world.bob, room_slug="garden", text="Hi")
    assert 0 < (refusal.value.retry_after_ms or 0) <= 300_000
    assert outcome(access_post, world.bob, post.pk) is None


def test_site_staff_moderate_the_rooms_that_they_see(
    world: World, post: Post, hidden_room_post: Post
) -> None:
    staff = make_person("staff", is_staff=True)
    for action in ("hide", "restore", "delete", "restore"):
        assert outcome(RIGHTS[action][0], staff, post) is None
        assert outcome(RIGHTS[action][0], staff, hidden_room_post) is NotFound
    assert outcome(RIGHTS["create"][0], staff, post) is Forbidden


# --- creating -----------------------------------------------------------------------------------


def test_a_post_is_stored_as_it_is_answered(world: World) -> None:
    post = services.create_post(viewer=world.bob, room_slug="garden", text="  Cafe\u0301 \n")
    assert post.text == "Café"
    told = log_of(world.garden)[-1]
    assert told["seq"] == post.seq == world.garden.last_seq + 1
    assert told["data"] == post_data(Post.objects.for_display().get(pk=post.pk))


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"text": ""}, "text"),
        ({"text": " \n\t "}, "text"),
        ({"text": "x" * (settings.POST_TEXT_MAX + 1)}, "text"),
        ({"text": "nul \x00"}, "text"),
        ({"text": "lone \ud800"}, "text"),
        ({"text": 5}, "text"),
        ({"text": "Hi", "alts": ["no picture"]}, "alts"),
        ({"text": "Hi", "reply_to": "nonsense"}, "reply_to"),
        ({"text": "Hi", "reply_to": UNKNOWN}, "reply_to"),
        ({"text": "Hi", "client_id": ""}, "client_id"),
        ({"text": "Hi", "client_id": "two words"}, "client_id"),
        ({"text": "Hi", "client_id": "x" * 65}, "client_id"),
        ({"text": "Hi", "client_id": "é"}, "client_id"),
    ],
)
def test_a_bad_field_is_named(world: World, fields: dict[str, object], name: str) -> None:
    with pytest.raises(Invalid) as refusal:
        services.create_post(viewer=world.bob, room_slug="garden", **fields)  # type: ignore[arg-type]
    assert name in (refusal.value.fields or {})
    assert not Post.objects.exists()


def test_a_text_of_exactly_the_limit_is_taken(world: World) -> None:
    text = "ä" * settings.POST_TEXT_MAX
    post = services.create_post(viewer=world.bob, room_slug="garden", text=text)
    assert Post.objects.get(pk=post.pk).text == text


def test_a_reply_is_to_a_standing_post_of_the_same_room(
    world: World, post: Post, hidden_room_post: Post
) -> None:
    def reply(to: Post) -> Post:
        return services.create_post(
            viewer=world.alice, room_slug="garden", text="Yes", reply_to=to.pk
        )

    assert reply(post).reply_to_id == post.pk
    assert outcome(reply, hidden_room_post) is Invalid
    services.delete_post(viewer=world.bob, post_id=post.pk)
    assert outcome(reply, post) is Invalid


def test_a_repeat_finds_what_the_first_one_made(world: World) -> None:
    def create() -> Post:
        return services.create_post(
            viewer=world.bob, room_slug="garden", text="Once", client_id="c-1"
        )

    first = create()
    head = log_of(world.garden)[-1]["seq"]
    again = create()
    assert again.pk == first.pk
    assert log_of(world.garden)[-1]["seq"] == head

    services.edit_post(viewer=world.bob, post_id=first.pk, text="Edited")
    assert create().text == "Edited"
    services.delete_post(viewer=world.bob, post_id=first.pk)
    assert post_data(create())["deleted"] is True


@pytest.mark.parametrize(
    "other", [{"text": "Twice"}, {"room_slug": "cellar"}, {"reply_to": "a post"}]
)
def test_a_repeat_with_another_body_is_a_conflict(
    world: World, post: Post, other: dict[str, object]
) -> None:
    body = {"room_slug": "garden", "text": "Once", "client_id": "c-1"}
    services.create_post(viewer=world.bob, **body)  # type: ignore[arg-type]
    if "reply_to" in other:
        other = {"reply_to": post.pk}
    with pytest.raises(IdempotencyConflict):
        services.create_post(viewer=world.bob, **{**body, **other})  # type: ignore[arg-type]


def test_two_people_may_use_the_same_client_id(world: World) -> None:
    posts = [
        services.create_post(viewer=viewer, room_slug="garden", text="Hi", client_id="c-1")
        for viewer in (world.alice, world.bob)
    ]
    assert posts[0].pk != posts[1].pk


def test_times_rise_strictly_within_a_room(world: World) -> None:
    times = [
        services.create_post(viewer=world.bob, room_slug="garden", text=str(n)).created_at
        for n in range(10)
    ]
    assert times == sorted(set(times))


# --- pictures -----------------------------------------------------------------------------------


@pytest.fixture
def media(settings: Settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_picture_is_in_place_when_its_post_is_there(world: World, media: Path) -> None:
    post = services.create_post(
        viewer=world.bob, room_slug="garden", images=[upload()], alts=[" A red square "]
    )
    (picture,) = Picture.objects.all()
    assert (picture.post_id, picture.alt, picture.width) == (post.pk, "A red square", 8)
    assert files_in(media)
    (told,) = log_of(world.garden)[-1]["data"]["images"]
    assert (told["id"], told["alt"]) == (str(picture.pk), "A red square")


def test_a_repeat_compares_the_pictures_bytes(world: World, media: Path) -> None:
    def create(colour: str, alt: str = "") -> Post:
        image = upload(f"{alt}{colour}.png", colour=colour)
        return services.create_post(
            viewer=world.bob, room_slug="garden", images=[image], alts=[alt], client_id="c-1"
        )

    first = create("red")
    kept = files_in(media)
    assert create("red").pk == first.pk
    assert outcome(create, "blue") is IdempotencyConflict
    assert outcome(create, "red", alt="Red") is IdempotencyConflict
    assert files_in(media) == kept


def test_a_refusal_leaves_no_file(world: World, media: Path) -> None:
    with pytest.raises(Invalid):
        services.create_post(viewer=world.bob, room_slug="garden", images=[upload()] * 5)
    with pytest.raises(Forbidden):
        services.create_post(viewer=world.charlie, room_slug="garden", images=[upload()])
    assert not files_in(media)
    assert not Picture.objects.exists()


# --- editing ------------------------------------------------------------------------------------


def test_an_edit_is_one_event_for_text_and_alts(world: World, post: Post) -> None:
    add_picture(post, alt="Before")
    before = len(log_of(world.garden))
    edited = services.edit_post(
        viewer=world.bob, post_id=post.pk, text="After", alts=["After, too"]
    )
    told = log_of(world.garden)[before:]
    assert [event["type"] for event in told] == ["post.updated"]
    assert told[0]["data"] == post_data(edited)
    assert told[0]["data"]["images"][0]["alt"] == "After, too"
    assert told[0]["data"]["edited_at"] is not None
    assert Picture.objects.get().alt == "After, too"


def test_an_edit_of_nothing_makes_no_event(world: World, post: Post) -> None:
    add_picture(post, alt="Same")
    before = log_of(world.garden)
    services.edit_post(viewer=world.bob, post_id=post.pk, text=" Hello ", alts=["Same"])
    assert log_of(world.garden) == before
    assert Post.objects.get(pk=post.pk).edited_at is None


def test_fewer_alts_than_pictures_empty_the_rest(world: World, post: Post) -> None:
    add_picture(post, alt="Something")
    services.edit_post(viewer=world.bob, post_id=post.pk, alts=[])
    assert Picture.objects.get().alt == ""
    with pytest.raises(Invalid):
        services.edit_post(viewer=world.bob, post_id=post.pk, alts=["One", "too many"])


def test_a_text_may_be_emptied_only_with_a_picture(world: World, post: Post) -> None:
    with pytest.raises(Invalid):
        services.edit_post(viewer=world.bob, post_id=post.pk, text=" ")
    with pytest.raises(Invalid):
        services.edit_post(viewer=world.bob, post_id=post.pk)
    add_picture(post, alt="")
    assert services.edit_post(viewer=world.bob, post_id=post.pk, text="").text == ""


def test_what_is_gone_is_not_edited(world: World, post: Post) -> None:
    services.delete_post(viewer=world.bob, post_id=post.pk)
    with pytest.raises(NotFound):
        services.edit_post(viewer=world.bob, post_id=post.pk, text="Back?")


# --- deleting and restoring ---------------------------------------------------------------------


def test_deleting_twice_is_one_event(world: World, post: Post) -> None:
    services.delete_post(viewer=world.bob, post_id=post.pk)
    before = log_of(world.garden)
    assert services.delete_post(viewer=world.bob, post_id=post.pk).deleted_at is not None
    assert log_of(world.garden) == before


def test_a_deleted_post_is_for_moderators_only(world: World, post: Post) -> None:
    services.delete_post(viewer=world.bob, post_id=post.pk)
    assert outcome(access_post, world.alice, post.pk) is None
    for viewer in (world.bob, world.charlie, NOBODY):
        assert outcome(access_post, viewer, post.pk) is NotFound


def test_an_author_takes_back_only_their_own_deletion(world: World, post: Post) -> None:
    services.delete_post(viewer=world.bob, post_id=post.pk)
    assert services.restore_post(viewer=world.bob, post_id=post.pk).is_standing

    services.delete_post(viewer=world.alice, post_id=post.pk)
    assert outcome(services.restore_post, viewer=world.bob, post_id=post.pk) is Forbidden
    assert outcome(services.restore_post, viewer=world.charlie, post_id=post.pk) is NotFound
    assert services.restore_post(viewer=world.alice, post_id=post.pk).is_standing


def test_only_moderators_bring_back_what_was_hidden(world: World, post: Post) -> None:
    services.hide_post(viewer=world.alice, post_id=post.pk)
    services.delete_post(viewer=world.bob, post_id=post.pk)
    assert outcome(services.restore_post, viewer=world.bob, post_id=post.pk) is Forbidden
    assert services.restore_post(viewer=world.alice, post_id=post.pk).is_standing


def test_undoing_is_over_after_a_while(world: World, post: Post) -> None:
    services.delete_post(viewer=world.bob, post_id=post.pk)
    long_ago = timezone.now() - timedelta(minutes=settings.UNDO_MINUTES, seconds=1)
    Post.objects.filter(pk=post.pk).update_unpublished(deleted_at=long_ago)
    for viewer in (world.bob, world.alice):
        assert outcome(services.restore_post, viewer=viewer, post_id=post.pk) is Forbidden


def test_restoring_what_stands_makes_no_event(world: World, post: Post) -> None:
    before = log_of(world.garden)
    assert services.restore_post(viewer=world.bob, post_id=post.pk).is_standing
    assert log_of(world.garden) == before


# --- reactions ----------------------------------------------------------------------------------


def test_reacting_twice_is_one_event(world: World, post: Post) -> None:
    def react(viewer: Viewer) -> int:
        return services.add_reaction(viewer=viewer, post_id=post.pk, emoji="🎉")[2]

    assert [react(world.alice), react(world.bob), react(world.bob)] == [1, 2, 2]
    told = [event["data"] for event in log_of(world.garden, after=post.seq)]
    assert [(event["user_id"], event["count"]) for event in told] == [
        (world.alice.pk, 1),
        (world.bob.pk, 2),
    ]


def test_taking_back_what_is_not_there_makes_no_event(world: World, post: Post) -> None:
    before = log_of(world.garden)
    count = services.remove_reaction(viewer=world.bob, post_id=post.pk, emoji="🎉")[2]
    assert count == 0
    assert log_of(world.garden) == before


@pytest.mark.parametrize("emoji", ["🎉", "❤️", "👩‍🚀", "👨‍👩‍👧‍👦", "🇩🇪", "1️⃣", "👍🏽", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🏳️‍🌈"])
def test_one_emoji_is_one_however_it_is_made(world: World, post: Post, emoji: str) -> None:
    services.add_reaction(viewer=world.bob, post_id=post.pk, emoji=emoji)
    assert post_data(post)["reactions"] == [
        {"emoji": emoji, "count": 1, "user_ids": [world.bob.pk]}
    ]


@pytest.mark.parametrize(
    "emoji",
    ["", "a", "1", "🎉🎉", "🎉 ", "🇩", "\u200d", "\ufe0f", "<b>", "\ud83c", "👍" * 9, None, 5],
)
def test_what_is_no_emoji_is_refused(world: World, post: Post, emoji: object) -> None:
    with pytest.raises(Invalid) as refusal:
        services.add_reaction(viewer=world.bob, post_id=post.pk, emoji=emoji)
    assert refusal.value.fields == {"emoji": "Must be one emoji."}


def test_a_post_holds_so_many_different_emojis(
    world: World, post: Post, settings: Settings
) -> None:
    settings.EMOJIS_PER_POST_MAX = 2
    for emoji in "🎉👍":
        services.add_reaction(viewer=world.bob, post_id=post.pk, emoji=emoji)
    with pytest.raises(Conflict):
        services.add_reaction(viewer=world.bob, post_id=post.pk, emoji="🚀")
    services.add_reaction(viewer=world.alice, post_id=post.pk, emoji="🎉")


def test_what_is_gone_gets_no_reaction(world: World, post: Post) -> None:
    services.delete_post(viewer=world.bob, post_id=post.pk)
    with pytest.raises(NotFound):
        services.add_reaction(viewer=world.alice, post_id=post.pk, emoji="🎉")


def test_only_the_first_hundred_who_reacted_are_named(world: World, post: Post) -> None:
    crowd = [make_person(f"p{number}") for number in range(102)]
    for person in crowd:
        Membership.objects.create(room=world.garden, user=person)
        services.add_reaction(viewer=person, post_id=post.pk, emoji="🎉")
    (reaction,) = post_data(post)["reactions"]
    assert reaction["count"] == 102
    assert reaction["user_ids"] == [person.pk for person in crowd[:100]]
