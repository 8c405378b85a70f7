"""The logs, to browse: what happened in rooms, and who lost rights."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chat.admin.generic import ModelAdmin
from chat.admin.pages import ReadOnlyAdmin, RoomFilter
from chat.models import RightsChange, RoomEvent, User
from chat.realtime.events import REGISTRY


class TypeFilter(admin.SimpleListFilter):
    """The types that exist, not those that a scan of the whole log would find."""

    title = "type"
    parameter_name = "type"

    def lookups(
        self, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> Iterable[tuple[str, str]]:
        return [(name, name) for name in sorted(REGISTRY)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[RoomEvent]) -> QuerySet[RoomEvent]:
        return queryset.filter(type=self.value()) if self.value() else queryset


@admin.register(RoomEvent)
class RoomEventAdmin(ReadOnlyAdmin[RoomEvent]):
    list_display = ("position", "type", "actor", "subject_id", "created_at")
    list_select_related = ("room", "actor")
    list_filter = (TypeFilter, RoomFilter)
    search_fields = ("subject_id", "client_id", "actor__username", "room__slug")
    search_help_text = "A post's id, a client_id, a person or a room."
    ordering = ("-pk",)
    show_full_result_count = False
    fields = (
        *("room", "seq", "type", "actor", "created_at"),
        *("subject_id", "client_id", "content"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[RoomEvent]:
        return super().get_queryset(request).select_related("room", "actor")

    @admin.display(description="position", ordering="pk")
    def position(self, event: RoomEvent) -> str:
        return f"{event.room.slug} {event.seq}"

    @admin.display(description="data")
    def content(self, event: RoomEvent) -> SafeString:
        data = json.dumps(json.loads(event.data), indent=2, ensure_ascii=False)
        return format_html("<pre>{}</pre>", data)


@admin.register(RightsChange)
class RightsChangeAdmin(ReadOnlyAdmin[RightsChange]):
    list_display = ("number", "kind", "person", "key_id", "created_at")
    list_filter = ("kind",)
    search_fields = ("key_id", "=user_id")
    ordering = ("-number",)
    date_hierarchy = "created_at"
    fields = ("number", "kind", "person", "key_id", "session_name", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RightsChange]:
        # The log holds plain numbers: it outlives whom they name.
        username = User.objects.filter(pk=OuterRef("user_id")).values("username")
        return super().get_queryset(request).annotate(username=Subquery(username))

    @admin.display(description="person", ordering="username")
    def person(self, change: RightsChange) -> str:
        name = getattr(change, "username", None)
        return name or (str(change.user_id) if change.user_id else "–")
