"""Posts, pictures and reactions."""

from django.apps import AppConfig


class PostsConfig(AppConfig):
    name = "posts"
    verbose_name = "Posts and pictures"

    def ready(self) -> None:
        """Follow saves for the sake of search, and register the job that removes files."""
        from posts import indexing, sweeping  # noqa: F401  (need loaded models)
