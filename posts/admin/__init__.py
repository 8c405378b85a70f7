"""The operator's pages for posts, pictures and reactions."""

from __future__ import annotations

from posts.admin import pictures, posts, reactions

__all__ = ["pictures", "posts", "reactions"]
