"""Unread posts: visible ones of others above the read marker."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import IntegerField, OuterRef, Subquery

from chat.models import Membership
from chat.unread import UNREAD_MAX, counts_unread
from posts.models import Post


class CountOf(Subquery):
    """Counts the rows of a subquery, which may be sliced to bound the work."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


@counts_unread
def unread_posts(memberships: Collection[Membership]) -> dict[int, int]:
    """Count by room id; one query, which reads at most UNREAD_MAX posts of each room."""
    unread = (
        Post.objects.standing()
        .filter(room=OuterRef("room_id"), seq__gt=OuterRef("last_read_seq"))
        .exclude(author=OuterRef("user_id"))
        .order_by("seq")
        .values("pk")[:UNREAD_MAX]
    )
    counted = Membership.objects.filter(pk__in=[each.pk for each in memberships]).annotate(
        unread_count=CountOf(unread)
    )
    return dict(counted.values_list("room_id", "unread_count"))
