"""Posts, pictures and reactions."""

from django.apps import AppConfig


class PostsConfig(AppConfig):
    name = "posts"
    verbose_name = "Posts and pictures"

    def ready(self) -> None:
        """Register the job that removes files."""
        from posts import sweeping  # noqa: F401  (needs loaded models)
