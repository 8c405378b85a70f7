"""The addresses of posts."""

from __future__ import annotations

from django.urls import path

from posts.api import posts, search

urlpatterns = [
    path("rooms/<room:slug>/posts/", posts.PostsView.as_view()),
    path("posts/<uuid:post_id>/", posts.PostView.as_view()),
    path("posts/<uuid:post_id>/reactions/", posts.ReactionsView.as_view()),
    path("posts/<uuid:post_id>/restore/", posts.RestoreView.as_view()),
    path("search/", search.SearchView.as_view()),
    path("limits/", posts.LimitsView.as_view()),
]
