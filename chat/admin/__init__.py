"""The operator's pages for people, rooms and the live connection."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from django.contrib import admin

from chat.admin import connections, keys, log, people, rooms, servers

__all__ = ["connections", "keys", "log", "people", "rooms", "servers"]

admin.site.site_header = "PictureGram"
admin.site.site_title = "PictureGram"
admin.site.index_title = "Moderation and operation"
# There is one door, and it slows down whoever tries passwords; the admin's own does not.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
