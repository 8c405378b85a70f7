"""The addresses of rooms, members and people."""

from __future__ import annotations

from django.urls import path, register_converter

from chat.api import live, members, people, rooms, topics
from chat.models.room import SLUG_PATTERN


class SlugConverter:
    """A room's slug; anything else is no address."""

    regex = SLUG_PATTERN

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class UsernameConverter(SlugConverter):
    regex = r"[a-z0-9_.-]{1,30}"


register_converter(SlugConverter, "room")
register_converter(UsernameConverter, "username")

urlpatterns = [
    path("rooms/", rooms.RoomsView.as_view()),
    path("rooms/<room:slug>/", rooms.RoomView.as_view()),
    path("rooms/<room:slug>/join/", rooms.JoinView.as_view()),
    path("rooms/<room:slug>/leave/", rooms.LeaveView.as_view()),
    path("rooms/<room:slug>/read/", rooms.ReadView.as_view()),
    path("rooms/<room:slug>/members/", members.MembersView.as_view()),
    path("rooms/<room:slug>/members/<username:username>/", members.MemberView.as_view()),
    path("rooms/<room:slug>/events/", live.EventsView.as_view()),
    path("rooms/<room:slug>/stream/", live.StreamView.as_view()),
    path("topics/events/", topics.PublishView.as_view()),
    path("me/", people.MeView.as_view()),
    path("users/", people.PeopleView.as_view()),
    path("users/<username:username>/", people.PersonView.as_view()),
]
