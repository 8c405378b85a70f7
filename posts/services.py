"""Making and changing posts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.utils import timezone
from uuid_utils.compat import uuid7

from chat.access import Viewer, access_person, access_room_to_post
from chat.acting import acting
from chat.errors import Conflict, IdempotencyConflict, Invalid
from chat.gateway.typists import has_posted
from chat.models import Room, User
from chat.realtime import stream
from chat.realtime.envelope import encode
from chat.retry import asks_again
from chat.text import clean_client_id, clean_text
from posts.access import (
    access_post_to_delete,
    access_post_to_edit,
    access_post_to_hide,
    access_post_to_react,
    access_post_to_restore,
)
from posts.attachments import attached, digest
from posts.emoji import clean_emoji
from posts.models import Picture, Post, Reaction
from posts.pictures.examine import Upload


def create_post(
    *,
    viewer: Viewer,
    room_slug: str,
    text: object = "",
    images: Sequence[Upload] = (),
    alts: Sequence[object] = (),
    reply_to: UUID | str | None = None,
    client_id: object = None,
) -> Post:
    """Store a post and its pictures; the same `client_id` again returns the first result.

    Returns after the commit: what it returns is on disk. Raises IdempotencyConflict for a
    `client_id` that was used for something else.
    """
    key = clean_client_id(client_id) if client_id is not None else uuid7().hex
    return _create_post(viewer, key, room_slug, text, images, alts, reply_to)


@asks_again
def _create_post(
    viewer: Viewer,
    key: str,
    room_slug: str,
    text: object,
    images: Sequence[Upload],
    alts: Sequence[object],
    reply_to: UUID | str | None,
) -> Post:
    author = access_person(viewer)
    text = clean_text(text, field="text", max_length=settings.POST_TEXT_MAX)
    alts = _clean_alts(alts, count=len(images))
    if len(images) > settings.PICTURES_PER_POST_MAX:
        raise Invalid(fields={"images": f"At most {settings.PICTURES_PER_POST_MAX} pictures."})
    if not text and not images:
        raise Invalid("Write something or attach a picture.", fields={"text": "Is empty."})
    digests = [digest(image) for image in images]
    fingerprint = _fingerprint(room_slug, text, reply_to, alts, digests)
    if (earlier := _earlier(author, key, fingerprint)) is not None:
        return earlier
    room, _ = access_room_to_post(author, room_slug)
    replied = _replied_post(room, reply_to)

    with attached(images) as attachments:
        post = Post(
            room=room,
            author=author,
            text=text,
            reply_to=replied,
            client_id=key,
            fingerprint=fingerprint,
        )
        try:
            with transaction.atomic(), acting(author.pk):
                stream.lock(room.pk)
                access_room_to_post(author, room_slug)  # rights as of now, under the lock
                for position, fields in enumerate(attachments.fields):
                    Picture.objects.create(
                        post_id=post.pk, position=position, alt=alts[position], **fields
                    )
                post.save()
        except IntegrityError:
            earlier = _earlier(author, key, fingerprint)
            if earlier is None:
                raise
            return earlier
        except (OperationalError, InterfaceError):
            # The commit may have been done; if not, sweeping finds the files without rows.
            attachments.keep()
            raise
        attachments.keep()
    has_posted(room.pk, author.pk)
    return post


@asks_again
def edit_post(
    *,
    viewer: Viewer,
    post_id: UUID | str,
    text: object = None,
    alts: Sequence[object] | None = None,
) -> Post:
    """Change the text or the alt texts of one's own post; nothing changed is no event."""
    person = access_person(viewer)
    if text is None and alts is None:
        raise Invalid("Give a text or alts.", fields={"text": "Is missing."})
    with transaction.atomic(), acting(person.pk):
        stream.lock(access_post_to_edit(person, post_id).room_id)
        post = access_post_to_edit(person, post_id)
        pictures = list(post.pictures.all())
        has_changed = False
        if text is not None:
            new_text = clean_text(text, field="text", max_length=settings.POST_TEXT_MAX)
            has_changed = new_text != post.text
            post.text = new_text
        if not post.text and not pictures:
            raise Invalid("Write something, or delete the post.", fields={"text": "Is empty."})
        if alts is not None:
            has_changed |= _set_alts(pictures, _clean_alts(alts, count=len(pictures)))
        if has_changed:
            post.edited_at = timezone.now()
            post.save()
    return post


@asks_again
def delete_post(*, viewer: Viewer, post_id: UUID | str) -> Post:
    """Leave a tombstone; a second time changes nothing."""
    person = access_person(viewer)
    with transaction.atomic(), acting(person.pk):
        stream.lock(access_post_to_delete(person, post_id).room_id)
        post = access_post_to_delete(person, post_id)
        post.delete()
    return post


@asks_again
def hide_post(*, viewer: Viewer, post_id: UUID | str) -> Post:
    """Take a post out of sight, by a moderator; its author cannot bring it back."""
    person = access_person(viewer)
    with transaction.atomic(), acting(person.pk):
        stream.lock(access_post_to_hide(person, post_id).room_id)
        post = access_post_to_hide(person, post_id)
        if post.hidden_at is None:
            post.hidden_at = timezone.now()
            post.save(update_fields=["hidden_at"])
    return post


@asks_again
def restore_post(*, viewer: Viewer, post_id: UUID | str) -> Post:
    """Undo a deletion, or a hiding as a moderator."""
    person = access_person(viewer)
    with transaction.atomic(), acting(person.pk):
        stream.lock(access_post_to_restore(person, post_id).room_id)
        post = access_post_to_restore(person, post_id)
        post.deleted_at = post.hidden_at = None
        post.save(update_fields=["deleted_at", "hidden_at"])
    return post


@asks_again
def add_reaction(*, viewer: Viewer, post_id: UUID | str, emoji: object) -> tuple[Post, str, int]:
    """Add a reaction; twice is no event. Returns the post, the emoji and its count."""
    access_person(viewer)
    sign = clean_emoji(emoji)
    with transaction.atomic():
        stream.lock(access_post_to_react(viewer, post_id)[0].room_id)
        post, person = access_post_to_react(viewer, post_id)
        reactions = Reaction.objects.to_post(post)
        if not reactions.by(person).filter(emoji=sign).exists():
            if len(reactions.emojis() | {sign}) > settings.EMOJIS_PER_POST_MAX:
                raise Conflict("This post has as many different emojis as a post may have.")
            with acting(person.pk):
                Reaction.objects.create(post=post, user=person, emoji=sign)
        return post, sign, reactions.filter(emoji=sign).count()


@asks_again
def remove_reaction(*, viewer: Viewer, post_id: UUID | str, emoji: object) -> tuple[Post, str, int]:
    """Take one's reaction back; twice is no event. Returns the post, the emoji and its count."""
    access_person(viewer)
    sign = clean_emoji(emoji)
    with transaction.atomic():
        stream.lock(access_post_to_react(viewer, post_id)[0].room_id)
        post, person = access_post_to_react(viewer, post_id)
        reactions = Reaction.objects.to_post(post).filter(emoji=sign)
        with acting(person.pk):
            reactions.by(person).delete()
        return post, sign, reactions.count()


def _clean_alts(alts: Sequence[object], *, count: int) -> list[str]:
    """Return one alt text per picture, empty ones where none was given."""
    if len(alts) > count:
        raise Invalid(fields={"alts": "More than there are pictures."})
    cleaned = [clean_text(alt, field="alts", max_length=settings.ALT_TEXT_MAX) for alt in alts]
    return cleaned + [""] * (count - len(cleaned))


def _fingerprint(
    room: str, text: str, reply_to: object, alts: list[str], digests: list[str]
) -> str:
    body = [room, text, str(reply_to) if reply_to else None, alts, digests]
    return hashlib.sha256(encode(body).encode()).hexdigest()


def _earlier(author: User, client_id: str, fingerprint: str) -> Post | None:
    """Return what this `client_id` made before, if anything."""
    post = Post.objects.for_display().filter(author=author, client_id=client_id).first()
    if post is not None and post.fingerprint != fingerprint:
        raise IdempotencyConflict
    return post


def _replied_post(room: Room, reply_to: UUID | str | None) -> Post | None:
    if not reply_to:
        return None
    try:
        found = Post.objects.in_room(room).standing().filter(pk=UUID(str(reply_to))).first()
    except ValueError:
        found = None
    if found is None:
        raise Invalid(fields={"reply_to": "There is no such post in this room."})
    return found


def _set_alts(pictures: list[Picture], alts: list[str]) -> bool:
    """Write the alt texts that differ, and return whether any did. The post's save tells it."""
    has_changed = False
    for picture, alt in zip(pictures, alts, strict=True):
        if picture.alt != alt:
            Picture.objects.filter(pk=picture.pk).update_unpublished(alt=alt)
            picture.alt = alt
            has_changed = True
    return has_changed
