"""Server processes, as their leases tell of them, and the routes that are mounted in this one."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from chat.admin.pages import ReadOnlyAdmin
from chat.gateway.handlers.mounting import mounted
from chat.models import Lease
from chat.models.lease import LEASE_SECONDS


@admin.register(Lease)
class LeaseAdmin(ReadOnlyAdmin[Lease]):
    list_display = ("node", "host", "pid", "is_alive", "is_shared", "started_at", "renewed_at")
    ordering = ("-renewed_at",)
    fields = list_display
    change_list_template = "admin/chat/lease/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.routes_view)
        return [path("routes/", view, name="chat_routes"), *super().get_urls()]

    def routes_view(self, request: HttpRequest) -> HttpResponse:
        """List the routes that an operator has mounted; all processes should have the same."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": "Mounted routes",
            "opts": self.opts,
            "routes": sorted(mounted.values(), key=lambda route: route.key),
        }
        return TemplateResponse(request, "admin/chat/lease/routes.html", context)

    @admin.display(description="alive", boolean=True)
    def is_alive(self, lease: Lease) -> bool:
        return lease.renewed_at > timezone.now() - timedelta(seconds=LEASE_SECONDS)
