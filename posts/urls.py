"""The pages."""

from __future__ import annotations

from django.urls import path, re_path

from chat.models.room import SLUG_PATTERN
from posts import views

ROOM = rf"^rooms/(?P<slug>{SLUG_PATTERN})/"

urlpatterns = [
    path("", views.home, name="home"),
    re_path(rf"{ROOM}$", views.room_page, name="room"),
    re_path(rf"{ROOM}posts/(?P<post_id>[0-9a-f-]{{36}})/$", views.post_page, name="post"),
]
