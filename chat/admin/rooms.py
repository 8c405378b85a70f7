"""Rooms and who belongs to them. Every save here is an event, as anywhere."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from chat.admin.generic import ModelAdmin, TabularInline
from chat.admin.pages import RoomFilter, TextForm, counted
from chat.models import Membership, Room
from chat.realtime.stream import EPOCH_START

# Above this a room's page links to the list of its members instead of showing all of them.
INLINE_MEMBERS_MAX = 50


class MembersInline(TabularInline[Membership, Room]):
    model = Membership
    verbose_name_plural = "members"
    fields = ("user", "role", "muted_until")
    readonly_fields = ("user",)
    extra = max_num = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).select_related("user", "room")


class NewMembersInline(TabularInline[Membership, Room]):
    """A field of its own for choosing: one that searches costs a query for each row shown."""

    model = Membership
    verbose_name_plural = "add members"
    verbose_name = "new member"
    fields = ("user", "role")
    autocomplete_fields = ("user",)
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).none()


@admin.register(Room)
class RoomAdmin(ModelAdmin[Room]):
    form = TextForm[Room]
    list_display = (
        "slug",
        "title",
        "visibility",
        "member_count",
        "last_seq",
        "last_event_at",
        "is_archived",
    )
    list_filter = ("visibility", "is_archived", "is_announcement_only")
    search_fields = ("slug", "title")
    fieldsets = (
        (None, {"fields": ("slug", "title", "description")}),
        ("Who may", {"fields": ("visibility", "is_announcement_only", "is_archived")}),
        (
            "The log",
            {"fields": ("epoch", "first_seq", "last_seq", "last_event_at", "created_at", "events")},
        ),
    )
    readonly_fields = ("epoch", "first_seq", "last_seq", "last_event_at", "created_at", "events")
    actions = ("archive", "open_again")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Room]:
        members = (
            Membership.objects.present()
            .filter(room=OuterRef("pk"))
            .order_by()
            .values("room")
            .annotate(number=Count("pk"))
        )
        return (
            super().get_queryset(request).annotate(member_number=Subquery(members.values("number")))
        )

    def get_inlines(self, request: HttpRequest, obj: Room | None) -> list[Any]:
        if obj is not None and obj.visibility == Room.Visibility.DIRECT:
            return []
        if obj is not None and _member_number(obj) <= INLINE_MEMBERS_MAX:
            return [MembersInline, NewMembersInline]
        return [NewMembersInline]

    def get_readonly_fields(self, request: HttpRequest, obj: Room | None = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        if obj is None:
            return fields
        is_direct = obj.visibility == Room.Visibility.DIRECT
        return (*fields, "slug", *(("visibility",) if is_direct else ()))

    def formfield_for_choice_field(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> forms.TypedChoiceField | None:
        if db_field.name == "visibility":
            # A direct room is made by two people.
            direct = Room.Visibility.DIRECT
            kwargs["choices"] = [each for each in Room.Visibility.choices if each[0] != direct]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Room | None = None) -> bool:
        return False

    @admin.display(description="members", ordering="member_number")
    def member_count(self, room: Room) -> SafeString:
        url = reverse("admin:chat_membership_changelist")
        return format_html('<a href="{}?room={}">{}</a>', url, room.pk, _member_number(room))

    @admin.display(description="last event", ordering="last_event_us")
    def last_event_at(self, room: Room) -> str:
        if not room.last_event_us:
            return "–"
        moment = EPOCH_START + timedelta(microseconds=room.last_event_us)
        return date_format(localtime(moment), "DATETIME_FORMAT")

    @admin.display(description="events")
    def events(self, room: Room) -> SafeString:
        url = reverse("admin:chat_roomevent_changelist")
        return format_html('<a href="{}?room={}">browse the log</a>', url, room.pk)

    @admin.action(description="Archive: read only from now on", permissions=["change"])
    def archive(self, request: HttpRequest, queryset: QuerySet[Room]) -> None:
        self._set_archived(request, queryset, is_archived=True)

    @admin.action(description="Open again", permissions=["change"])
    def open_again(self, request: HttpRequest, queryset: QuerySet[Room]) -> None:
        self._set_archived(request, queryset, is_archived=False)

    def _set_archived(
        self, request: HttpRequest, rooms: QuerySet[Room], *, is_archived: bool
    ) -> None:
        changed = list(rooms.exclude(is_archived=is_archived))
        for room in changed:
            room.is_archived = is_archived
            room.save(update_fields=["is_archived"])
        done = "Archived" if is_archived else "Opened"
        said = f"{done} {counted(len(changed), 'room')}."
        self.message_user(request, said, messages.SUCCESS)


@admin.register(Membership)
class MembershipAdmin(ModelAdmin[Membership]):
    list_display = ("person", "room", "role", "muted_until", "created_at")
    list_select_related = ("user", "room")
    list_filter = ("role", RoomFilter)
    search_fields = ("user__username", "user__display_name", "room__slug")
    ordering = ("room__slug", "user__username")
    fields = ("user", "room", "role", "muted_until", "notifications")
    autocomplete_fields = ("user", "room")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).select_related("user", "room")

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> Any:
        return () if obj is None else ("user", "room")

    @admin.display(description="person", ordering="user__username")
    def person(self, membership: Membership) -> str:
        return membership.user.username


def _member_number(room: Room) -> int:
    return getattr(room, "member_number", None) or 0
