"""Pictures: to look at, and to describe for those who cannot see them."""

from __future__ import annotations

from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chat.admin.generic import ModelAdmin, TabularInline
from chat.admin.pages import TextForm
from posts.attachments import store
from posts.media import HEADERS
from posts.models import Picture, Post

# Pixels of height in a list.
THUMBNAIL_HEIGHT = 72


def thumbnail(picture: Picture) -> SafeString:
    """Show a picture small, whatever became of its post; the admin's own address serves it."""
    if picture._state.adding:  # the pattern for rows that are never added
        return SafeString("")
    if picture.files_removed_at is not None:
        return format_html("<em>{}</em>", "removed")
    return format_html(
        '<img src="{}" alt="{}" width="{}" height="{}" loading="lazy">',
        reverse("admin:posts_picture_thumbnail", args=[picture.pk]),
        picture.alt or "no alt text",
        round(THUMBNAIL_HEIGHT * picture.width / picture.height),
        THUMBNAIL_HEIGHT,
    )


class PictureInline(TabularInline[Picture, Post]):
    model = Picture
    form = TextForm[Picture]
    fields = ("shown", "alt", "size")
    readonly_fields = ("shown", "size")
    extra = max_num = 0
    can_delete = False

    @admin.display(description="picture")
    def shown(self, picture: Picture) -> SafeString:
        return thumbnail(picture)

    @admin.display(description="size")
    def size(self, picture: Picture) -> str:
        return f"{picture.width} × {picture.height}"


@admin.register(Picture)
class PictureAdmin(ModelAdmin[Picture]):
    form = TextForm[Picture]
    list_display = ("shown", "alt", "size", "author", "room", "uploaded_at")
    list_display_links = ("shown", "alt")
    list_select_related = ("post__author", "post__room")
    list_filter = (("alt", admin.EmptyFieldListFilter), "is_animated")
    search_fields = ("alt", "post__text", "post__author__username", "post__room__slug")
    ordering = ("-pk",)
    fields = ("shown", "alt", "post", "author", "room", "size", "sha256", "uploaded_at")
    readonly_fields = ("shown", "post", "author", "room", "size", "sha256", "uploaded_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Picture]:
        return super().get_queryset(request).select_related("post__author", "post__room")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Picture | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.thumbnail_view)
        name = "posts_picture_thumbnail"
        return [path("<uuid:picture_id>/thumbnail/", view, name=name), *super().get_urls()]

    def thumbnail_view(self, request: HttpRequest, picture_id: UUID) -> HttpResponse:
        """Answer with the smallest rendition, also of what is hidden or in a private room.

        Who decides about a post must see it; `/media/` shows it to nobody any more.
        """
        picture = Picture.objects.with_files().filter(pk=picture_id).first()
        if picture is None or not self.has_view_permission(request, picture):
            raise Http404
        smallest = min([picture.original, *picture.renditions], key=lambda each: each["width"])
        file = store().path(picture.pk, smallest["name"])
        if file is None:
            raise Http404
        headers = HEADERS | {"Cache-Control": "private, no-store"}
        return HttpResponse(file.read_bytes(), content_type=smallest["type"], headers=headers)

    @admin.display(description="picture")
    def shown(self, picture: Picture) -> SafeString:
        return thumbnail(picture)

    @admin.display(description="size")
    def size(self, picture: Picture) -> str:
        return f"{picture.width} × {picture.height}"

    @admin.display(description="by", ordering="post__author__username")
    def author(self, picture: Picture) -> str:
        return picture.post.author.username

    @admin.display(description="room", ordering="post__room__slug")
    def room(self, picture: Picture) -> str:
        return picture.post.room.slug

    @admin.display(description="posted", ordering="post__created_at")
    def uploaded_at(self, picture: Picture) -> object:
        return picture.post.created_at
