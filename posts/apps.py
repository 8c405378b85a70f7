"""Posts, pictures and reactions."""

from django.apps import AppConfig


class PostsConfig(AppConfig):
    name = "posts"
