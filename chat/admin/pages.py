"""What the admin's pages have in common."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from chat.admin.generic import ModelAdmin, ModelForm
from chat.models import Room

if TYPE_CHECKING:
    from collections.abc import Iterable

M = TypeVar("M", bound=Model)

# Rooms that the filter beside a list offers; further ones are found by searching.
FILTER_ROOMS_MAX = 100


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class ReadOnlyAdmin(ModelAdmin[M]):
    """A page to look at only."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


class TextForm(ModelForm[M]):
    """Takes text in the one form that everything else takes it in, NFC."""

    def clean(self) -> dict[str, Any] | None:
        super().clean()
        for name, value in self.cleaned_data.items():
            if isinstance(value, str):
                self.cleaned_data[name] = unicodedata.normalize("NFC", value)
        return self.cleaned_data


class RoomFilter(admin.SimpleListFilter):
    """Rooms beside a list, without the direct ones, which are two people's own."""

    title = "room"
    parameter_name = "room"

    def lookups(
        self, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> Iterable[tuple[str, str]]:
        rooms = Room.objects.exclude(visibility=Room.Visibility.DIRECT)[:FILTER_ROOMS_MAX]
        return [(str(room.pk), room.slug) for room in rooms]

    def queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> QuerySet[M]:
        value = self.value()
        return queryset.filter(room=value) if value and value.isdecimal() else queryset
