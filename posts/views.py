"""The pages of rooms. They work without scripts; with them, static/js takes over."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods, require_safe

from chat.access import Viewer, access_room
from chat.errors import AppError, Forbidden, NotAuthenticated, NotFound
from chat.models import Membership, Room, User
from chat.representation import person
from chat.services import join_room
from posts.access import access_post
from posts.limits import public_limits
from posts.models import Post
from posts.representation import posts_data
from posts.services import create_post

# Posts that the server renders. More come as the reader scrolls.
PAGE_SIZE = 20
# Offered beside the ones that are there already; the API takes any emoji.
REACTIONS = (
    ("❤️", "Love"),
    ("👍", "Thumbs up"),
    ("😂", "Laughing"),
    ("😮", "Astonished"),
    ("🎉", "Party"),
    ("👏", "Applause"),
)
API = "/api/"
SOCKET = "/ws/"
LAST_ROOM_COOKIE = "room"
LAST_ROOM_SECONDS = 90 * 24 * 3600

Page = Callable[Concatenate[HttpRequest, ...], HttpResponseBase]


@dataclass
class Draft:
    """What somebody wrote without scripts, kept when it is refused."""

    text: str = ""
    client_id: str = field(default_factory=lambda: secrets.token_hex(16))
    problems: list[str] = field(default_factory=list)


def answers_refusals(view: Page) -> Page:
    """Turn refusals into pages: sign in, 403, 404."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not (request.user.is_authenticated or settings.ANONYMOUS_MAY_READ):
            return redirect_to_login(request.get_full_path())
        try:
            return view(request, *args, **kwargs)
        except NotAuthenticated:
            return redirect_to_login(request.get_full_path())
        except NotFound:
            if not request.user.is_authenticated and not settings.ANONYMOUS_MAY_READ:
                return redirect_to_login(request.get_full_path())
            # Not raised: with DEBUG Django would show its own page, with all addresses.
            return render(request, "404.html", status=404)
        except Forbidden as refusal:
            raise PermissionDenied(str(refusal)) from refusal

    return wrapped


@require_safe
@answers_refusals
def home(request: HttpRequest) -> HttpResponseBase:
    """The visitor's last room, or the lobby."""
    slug = request.COOKIES.get(LAST_ROOM_COOKIE, "")
    if not Room.objects.visible_to(viewer_of(request)).filter(slug=slug).exists():
        slug = settings.LOBBY_SLUG
    return redirect("room", slug)


@cache_control(private=True, no_cache=True)
@require_http_methods(["GET", "HEAD", "POST"])
@answers_refusals
def room_page(request: HttpRequest, slug: str) -> HttpResponseBase:
    """A room with its newest posts; POST takes the composer's form, and joins."""
    if request.method == "POST":
        return take_form(request, slug)
    return show_room(request, slug, Draft())


@cache_control(private=True, no_cache=True)
@require_safe
@answers_refusals
def post_page(request: HttpRequest, slug: str, post_id: str) -> HttpResponseBase:
    """A room from one of its posts on."""
    room = access_room(viewer_of(request), slug)
    post = access_post(viewer_of(request), post_id)
    if post.room_id != room.pk:
        raise NotFound
    return redirect(f"{reverse('room', args=[slug])}?before_seq={post.seq + 1}#post-{post.pk}")


def take_form(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Do what a browser without scripts sends, and lead back to the room."""
    viewer = viewer_of(request)
    if "join" in request.POST:
        join_room(viewer=viewer, slug=slug)
        return redirect("room", slug)
    draft = Draft(text=request.POST.get("text", ""))
    draft.client_id = request.POST.get("client_id", draft.client_id)
    images = request.FILES.getlist("images")
    try:
        create_post(
            viewer=viewer,
            room_slug=slug,
            text=draft.text,
            images=images,
            # The plain form has one field, whether or not a picture was chosen.
            alts=request.POST.getlist("alts")[: len(images)],
            client_id=draft.client_id,
        )
    except (NotAuthenticated, NotFound):
        raise
    except AppError as refusal:
        is_general = str(refusal) == refusal.message
        draft.problems = list((refusal.fields or {}).values()) if is_general else []
        draft.problems = draft.problems or [str(refusal)]
        draft.client_id = secrets.token_hex(16)
        return show_room(request, slug, draft, status=refusal.status)
    return redirect("room", slug)


def show_room(request: HttpRequest, slug: str, draft: Draft, *, status: int = 200) -> HttpResponse:
    viewer = viewer_of(request)
    # The position is read before the posts: events after it apply on top of them.
    room = access_room(viewer, slug)
    before_seq = request.GET.get("before_seq", "")
    is_paged = before_seq.isascii() and before_seq.isdecimal() and len(before_seq) < 19
    page = newest_page(room, before_seq=int(before_seq) if is_paged else None)
    rights = rights_of(viewer, room)
    context = {
        "room": room,
        "rooms": Room.objects.visible_to(viewer).open(),
        "posts": page["results"],
        "older_url": f"?before_seq={page['results'][-1]['seq']}" if page["next"] else "",
        "is_paged": is_paged,
        "is_member": rights.is_member,
        "may_post": rights.may_post,
        "limits": public_limits(),
        "emojis": REACTIONS,
        "draft": draft,
        # What static/js/elements/pg-room.js goes on from.
        "start": {
            "page": page,
            "user": person(viewer) if isinstance(viewer, User) else None,
            "may_write": rights.may_write,
            "urls": {"api": API, "socket": SOCKET},
            "limits": public_limits(),
        },
    }
    response = render(request, "rooms/room.html", context, status=status)
    remember_room(response, room)
    return response


def newest_page(room: Room, *, before_seq: int | None = None) -> dict[str, Any]:
    """Return a page of posts in the form that the API answers."""
    posts = Post.objects.in_room(room).standing().for_display().newest_first()
    if before_seq is not None:
        posts = posts.before(before_seq)
    found = list(posts[: PAGE_SIZE + 1])
    results = posts_data(found[:PAGE_SIZE])
    has_older = len(found) > PAGE_SIZE
    older = f"{API}rooms/{room.slug}/posts/?before_seq={results[-1]['seq']}" if has_older else None
    return {
        "room": room.slug,
        "epoch": room.epoch,
        "seq": room.last_seq,
        "results": results,
        "next": older,
        "previous": None,
    }


def remember_room(response: HttpResponse, room: Room) -> None:
    response.set_cookie(
        LAST_ROOM_COOKIE,
        room.slug,
        max_age=LAST_ROOM_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


@dataclass(frozen=True)
class Rights:
    """What somebody may do in a room that they see."""

    is_member: bool = False
    may_write: bool = False
    may_post: bool = False


def rights_of(viewer: Viewer, room: Room) -> Rights:
    """Say what the page offers; whether it is done is decided when it is asked for."""
    if not isinstance(viewer, User):
        return Rights()
    membership = Membership.objects.in_room(room).of(viewer).present().first()
    if membership is None:
        return Rights()
    may_write = not room.is_archived
    is_muted = membership.muted_until is not None and membership.muted_until > timezone.now()
    is_among_speakers = membership.is_moderating or not room.is_announcement_only
    return Rights(
        is_member=True,
        may_write=may_write,
        may_post=may_write and is_among_speakers and not is_muted,
    )


def viewer_of(request: HttpRequest) -> Viewer:
    return request.user
