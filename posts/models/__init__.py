"""Posts, pictures, reactions."""

from posts.models.picture import Picture
from posts.models.post import Post
from posts.models.reaction import Reaction

__all__ = ["Picture", "Post", "Reaction"]
