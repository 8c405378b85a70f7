"""Makes the demo through the product's own services, dated over the past week."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from io import BytesIO

from django.db import transaction
from django.utils import timezone

from chat import services as chat
from chat.models import Membership, User
from chat.realtime.stream import dated
from posts.demo.gallery import SCENES, photograph
from posts.demo.story import PASSWORD, PEOPLE, PLACES, STORY, Entry
from posts.models import Post
from posts.services import add_reaction, create_post

# Told how many posts of how many are made.
Progress = Callable[[int, int], None]

# Before the first post.
FOUNDING = timedelta(hours=STORY[0].ago + 1)


def is_wanted() -> bool:
    """Whether nobody is here yet, or an earlier making of the demo was cut short."""
    if not User.objects.exists():
        return True
    names = [person.username for person in PEOPLE]
    is_ours = not User.objects.exclude(username__in=names).exists()
    return is_ours and _is_founded() and not _made_before(len(STORY) - 1)


def make(*, seed: int = 1, progress: Progress | None = None) -> None:
    """Make people, rooms, posts and pictures; what an earlier call made is kept as it is."""
    now = timezone.now()
    if not _is_founded():
        with transaction.atomic(), dated(now - FOUNDING):
            _found(now - FOUNDING)
    people = {person.username: User.objects.get(username=person.username) for person in PEOPLE}
    missing = [number for number in range(len(STORY)) if not _made_before(number)]
    with ThreadPoolExecutor(1, thread_name_prefix="painter") as painter:
        # Painted ahead, while the pictures before are being stored.
        photographs = {
            name: painter.submit(photograph, name, seed)
            for number in missing
            for name in STORY[number].pictures
        }
        try:
            for done, number in enumerate(missing, start=1):
                _post(number, people, now, photographs)
                if progress is not None:
                    progress(done, len(missing))
        finally:
            painter.shutdown(cancel_futures=True)


def _is_founded() -> bool:
    first = PLACES[0]
    return Membership.objects.filter(
        room__slug=first.slug, user__username=first.members[0], role=Membership.Role.OWNER
    ).exists()


def _found(moment: datetime) -> None:
    """Make the people and the rooms."""
    people = {}
    for person in PEOPLE:
        make_user = (
            User.objects.create_superuser if person.is_superuser else User.objects.create_user
        )
        people[person.username] = make_user(
            username=person.username,
            email=f"{person.username}@example.org",
            password=PASSWORD,
            display_name=person.display_name,
            date_joined=moment,
        )
    for place in PLACES:
        owner, *others = (people[name] for name in place.members)
        chat.create_room(
            viewer=owner,
            slug=place.slug,
            title=place.title,
            description=place.description,
            visibility="private" if place.is_private else "public",
        )
        for other in others:
            if place.is_private:
                chat.add_member(viewer=owner, slug=place.slug, username=other.username)
            else:
                chat.join_room(viewer=other, slug=place.slug)


def _post(
    number: int, people: dict[str, User], now: datetime, photographs: dict[str, Future[bytes]]
) -> None:
    entry = STORY[number]
    author = people[entry.author]
    moment = now - timedelta(hours=entry.ago)
    images = [BytesIO(photographs.pop(name).result()) for name in entry.pictures]
    with dated(moment):
        post = create_post(
            viewer=author,
            room_slug=entry.room,
            text=entry.text,
            images=images,
            alts=[SCENES[name].alt for name in entry.pictures],
            reply_to=_replied(entry, people),
            client_id=_client_id(number),
        )
        for emoji, names in entry.reactions.items():
            for name in names.split():
                add_reaction(viewer=people[name], post_id=post.pk, emoji=emoji)
    # Who posts has read what was there.
    chat.mark_read(viewer=author, slug=entry.room, seq=post.seq)


def _replied(entry: Entry, people: dict[str, User]) -> str | None:
    """The id of the post that an entry answers."""
    for number, other in enumerate(STORY):
        if entry.reply_to and other.key == entry.reply_to:
            author = people[other.author]
            return str(Post.objects.get(author=author, client_id=_client_id(number)).pk)
    return None


def _made_before(number: int) -> bool:
    return Post.objects.filter(
        author__username=STORY[number].author, client_id=_client_id(number)
    ).exists()


def _client_id(number: int) -> str:
    return f"demo-{number + 1}"
