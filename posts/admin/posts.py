"""Posts: moderated here through the same saves as anywhere, so that everybody sees it live."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from chat.admin.generic import ModelAdmin
from chat.admin.pages import RoomFilter, TextForm, counted
from chat.realtime import stream
from posts.admin.pictures import PictureInline, thumbnail
from posts.models import Post


class PostForm(TextForm[Post]):
    """What a moderator writes."""

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        is_new = self.instance._state.adding
        if not cleaned.get("text") and (is_new or not self.instance.pictures.exists()):
            self.add_error("text", "Write something.")
        replied: Post | None = cleaned.get("reply_to")
        if replied is not None and replied.room != cleaned.get("room"):
            self.add_error("reply_to", "There is no such post in this room.")
        return cleaned


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> Iterable[tuple[str, str]]:
        return [("standing", "standing"), ("hidden", "hidden"), ("deleted", "deleted")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Post]) -> QuerySet[Post]:
        match self.value():
            case "standing":
                return queryset.filter(hidden_at=None, deleted_at=None)
            case "hidden":
                return queryset.filter(hidden_at__isnull=False)
            case "deleted":
                return queryset.filter(deleted_at__isnull=False)
        return queryset


class PostList(ChangeList):
    """Pictures are read ahead for the list only: a post that is saved must see its own anew."""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        return super().get_queryset(request, *args, **kwargs).prefetch_related("pictures")


@admin.register(Post)
class PostAdmin(ModelAdmin[Post]):
    form = PostForm
    list_display = ("excerpt", "shown", "author", "room", "state", "created_at")
    list_select_related = ("author", "room")
    list_filter = (StateFilter, ("pictures", admin.EmptyFieldListFilter), RoomFilter)
    list_per_page = 50
    search_fields = ("text", "author__username", "room__slug")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    show_full_result_count = False
    autocomplete_fields = ("room", "author")
    raw_id_fields = ("reply_to",)
    actions = ("hide_posts", "restore_posts", "delete_posts")
    facts = ("seq", "client_id", "created_at", "edited_at", "hidden_at", "deleted_at")
    # The buttons of a post's page, by their names.
    buttons = {"_hide": "hide_posts", "_restore": "restore_posts", "_remove": "delete_posts"}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Post]:
        return super().get_queryset(request).select_related("author", "room")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PostList

    def get_fields(self, request: HttpRequest, obj: Post | None = None) -> Any:
        fields = ("room", "author", "text", "reply_to")
        return fields if obj is None else (*fields, *self.facts)

    def get_readonly_fields(self, request: HttpRequest, obj: Post | None = None) -> Any:
        return () if obj is None else ("room", "author", "reply_to", *self.facts)

    def get_inlines(self, request: HttpRequest, obj: Post | None) -> list[Any]:
        return [] if obj is None or not obj.pictures.exists() else [PictureInline]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"author": request.user.pk, **super().get_changeform_initial_data(request)}

    def has_delete_permission(self, request: HttpRequest, obj: Post | None = None) -> bool:
        """Rows stay as tombstones; the actions leave them."""
        return False

    def save_model(
        self, request: HttpRequest, obj: Post, form: forms.ModelForm[Post], change: bool
    ) -> None:
        if change and form.has_changed():
            obj.edited_at = timezone.now()
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if any(formset.has_changed() for formset in formsets):
            form.instance.edited_at = timezone.now()
            form.instance.save(update_fields=["edited_at"])

    def response_change(self, request: HttpRequest, obj: Post) -> HttpResponse:
        for button, action in self.buttons.items():
            if button in request.POST:
                getattr(self, action)(request, Post.objects.filter(pk=obj.pk))
                return self.response_post_save_change(request, obj)
        return super().response_change(request, obj)

    @admin.display(description="text", ordering="text")
    def excerpt(self, post: Post) -> str:
        return Truncator(post.text).chars(80) or "(no text)"

    @admin.display(description="pictures")
    def shown(self, post: Post) -> SafeString | str:
        pictures = list(post.pictures.all())
        if not pictures:
            return ""
        more = f"+{len(pictures) - 1}" if len(pictures) > 1 else ""
        return format_html("{} {}", thumbnail(pictures[0]), more)

    @admin.display(description="state")
    def state(self, post: Post) -> str:
        if post.deleted_at is not None:
            return "deleted"
        return "standing" if post.hidden_at is None else "hidden"

    @admin.action(description="Hide from everybody", permissions=["change"])
    def hide_posts(self, request: HttpRequest, queryset: QuerySet[Post]) -> None:
        self._each(request, queryset, _hide, "Hid")

    @admin.action(description="Restore", permissions=["change"])
    def restore_posts(self, request: HttpRequest, queryset: QuerySet[Post]) -> None:
        self._each(request, queryset, _restore, "Restored")

    @admin.action(
        description=f"Delete: can be undone for {settings.UNDO_MINUTES} minutes",
        permissions=["change"],
    )
    def delete_posts(self, request: HttpRequest, queryset: QuerySet[Post]) -> None:
        self._each(request, queryset, _delete, "Deleted")

    def _each(
        self,
        request: HttpRequest,
        posts: QuerySet[Post],
        act: Callable[[Post], bool],
        done: str,
    ) -> None:
        """Do it to each as it is at that moment, with its room locked."""
        changed = left = 0
        for pk, room_id in list(posts.order_by("pk").values_list("pk", "room_id")):
            with transaction.atomic():
                stream.lock(room_id)
                if act(Post.objects.for_display().get(pk=pk)):
                    changed += 1
                else:
                    left += 1
        self.message_user(request, f"{done} {counted(changed, 'post')}.", messages.SUCCESS)
        if left:
            said = f"Left {counted(left, 'post')} alone: already so, or too late to undo."
            self.message_user(request, said, messages.WARNING)


def _hide(post: Post) -> bool:
    if post.hidden_at is not None:
        return False
    post.hidden_at = timezone.now()
    post.save(update_fields=["hidden_at"])
    return True


def _restore(post: Post) -> bool:
    if post.is_standing or (post.deleted_at is not None and not post.can_undo):
        return False
    post.hidden_at = post.deleted_at = None
    post.save(update_fields=["hidden_at", "deleted_at"])
    return True


def _delete(post: Post) -> bool:
    if post.deleted_at is not None:
        return False
    post.delete()
    return True
