"""Posts, pictures, reactions, and the words that posts are found by."""

from posts.models.picture import Picture
from posts.models.post import Post
from posts.models.reaction import Reaction
from posts.models.search_entry import SearchEntry

__all__ = ["Picture", "Post", "Reaction", "SearchEntry"]
