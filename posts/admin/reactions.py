"""Reactions."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator

from chat.admin.generic import ModelAdmin, ModelForm
from chat.errors import Invalid
from posts.emoji import clean_emoji
from posts.models import Reaction


class ReactionForm(ModelForm[Reaction]):
    def clean_emoji(self) -> str:
        try:
            return clean_emoji(self.cleaned_data["emoji"])
        except Invalid as error:
            raise forms.ValidationError((error.fields or {})["emoji"]) from None


@admin.register(Reaction)
class ReactionAdmin(ModelAdmin[Reaction]):
    form = ReactionForm
    list_display = ("emoji", "user", "excerpt", "room", "created_at")
    list_select_related = ("user", "post__room")
    search_fields = ("=emoji", "user__username", "post__text", "post__room__slug")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    fields = ("post", "user", "emoji")
    raw_id_fields = ("post",)
    autocomplete_fields = ("user",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Reaction]:
        return super().get_queryset(request).select_related("user", "post__room")

    def has_change_permission(self, request: HttpRequest, obj: Reaction | None = None) -> bool:
        """A reaction is given and taken back, and never changed; lists ask for this, too."""
        return obj is None and super().has_change_permission(request)

    def get_readonly_fields(self, request: HttpRequest, obj: Reaction | None = None) -> Any:
        return () if obj is None else self.fields

    @admin.display(description="post")
    def excerpt(self, reaction: Reaction) -> str:
        return Truncator(reaction.post.text).chars(60) or "(no text)"

    @admin.display(description="room", ordering="post__room__slug")
    def room(self, reaction: Reaction) -> str:
        return reaction.post.room.slug
