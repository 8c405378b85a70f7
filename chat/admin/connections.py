"""Open connections: who is here now; and one of them sent to, asked after, or dropped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.timesince import timesince

from chat.admin.pages import ReadOnlyAdmin
from chat.gateway import remote
from chat.models import Connection, Lease
from chat.pool import give_back
from chat.realtime.close_codes import CloseCode

# Rooms named in the list; the connection's own page names all.
ROOMS_SHOWN = 4
# Characters of a message that the log keeps.
LOGGED_MAX = 200


class MessageForm(forms.Form):
    text = forms.CharField(
        label="Message",
        strip=False,
        widget=forms.Textarea(attrs={"rows": 3, "aria-label": "Message"}),
        help_text="Arrives as it is, as one text message. Programs mostly expect JSON.",
    )

    def clean_text(self) -> str:
        text: str = self.cleaned_data["text"].replace("\r\n", "\n")
        if len(text.encode()) > settings.MESSAGE_BYTES_MAX:
            raise forms.ValidationError(f"At most {settings.MESSAGE_BYTES_MAX} bytes.")
        return text


class DropForm(forms.Form):
    reason = forms.CharField(
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="Told to the client. Empty: “dropped”.",
    )

    def clean_reason(self) -> str:
        reason: str = self.cleaned_data["reason"]
        if len(reason.encode()) > remote.REASON_BYTES_MAX:
            raise forms.ValidationError(f"At most {remote.REASON_BYTES_MAX} bytes.")
        return reason


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin[Connection]):
    """A row is what its process wrote down last; the buttons ask the process itself.

    To look and to ask takes the permission to view, to send the one to change, to drop the one
    to delete.
    """

    list_display = (
        *("connection_id", "person", "source_ip", "agent", "rooms"),
        *("connected", "heard", "process"),
    )
    list_per_page = 100
    search_fields = ("connection_id", "user__username", "source_ip", "user_agent", "=node")
    search_help_text = "An id, a person, an address, a program, or a process."
    ordering = ("-connected_at",)
    show_full_result_count = False
    fields = (
        *("connection_id", "person", "domain_name", "source_ip", "user_agent"),
        *("connected", "heard", "rooms_and_more", "process"),
    )
    change_form_template = "admin/chat/connection/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        living = Lease.objects.alive().filter(node=OuterRef("node"))
        found = super().get_queryset(request).select_related("user")
        return found.annotate(is_alive=Exists(living))

    def get_urls(self) -> list[Any]:
        drop = self.admin_site.admin_view(self.drop_view)
        return [
            path("<path:object_id>/drop/", drop, name="chat_connection_drop"),
            *super().get_urls(),
        ]

    # --- what is shown ----------------------------------------------------------------------

    @admin.display(description="user", ordering="user__username")
    def person(self, connection: Connection) -> str:
        return str(connection.user) if connection.user else "–"

    @admin.display(description="agent", ordering="user_agent")
    def agent(self, connection: Connection) -> SafeString:
        shown = Truncator(connection.user_agent).chars(32)
        return format_html('<span title="{}">{}</span>', connection.user_agent, shown or "–")

    @admin.display(description="rooms")
    def rooms(self, connection: Connection) -> str:
        rooms = connection.subscriptions.get("rooms", [])
        more = [f"+{len(rooms) - ROOMS_SHOWN}"] if len(rooms) > ROOMS_SHOWN else []
        return ", ".join([*rooms[:ROOMS_SHOWN], *more]) or "–"

    @admin.display(description="listens to")
    def rooms_and_more(self, connection: Connection) -> SafeString:
        told = sorted(connection.subscriptions.items())  # databases disagree about the order
        rows = [f"{name}: {', '.join(map(_named, what))}" for name, what in told if what]
        return format_html('<span class="lines">{}</span>', "\n".join(rows) or "–")

    @admin.display(description="connected", ordering="connected_at")
    def connected(self, connection: Connection) -> str:
        return _moment(connection.connected_at)

    @admin.display(description="last active", ordering="last_active_at")
    def heard(self, connection: Connection) -> str:
        return _moment(connection.last_active_at)

    @admin.display(description="process", ordering="node")
    def process(self, connection: Connection) -> SafeString:
        is_alive = getattr(connection, "is_alive", False)
        state = "alive" if is_alive else "gone"
        return format_html(
            '<span class="process {0}" title="{0}">{1}</span>', state, connection.node
        )

    # --- what is done -----------------------------------------------------------------------

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a row, and do what its buttons ask for."""
        form = MessageForm(request.POST if request.method == "POST" else None)
        if request.method == "POST":
            connection = self._found(request, object_id)
            if "_inspect" in request.POST:
                self._inspect(request, connection)
                return self._back(request, connection)
            if not self.may_send(request):
                raise PermissionDenied
            if form.is_valid():
                self._send(request, connection, form.cleaned_data["text"])
                return self._back(request, connection)
            request.method = "GET"  # Shown once more, with what is wrong.
        context = {
            "message_form": form,
            "may_send": self.may_send(request),
            "may_drop": self.may_drop(request),
            **(extra_context or {}),
        }
        return super().change_view(request, object_id, form_url, context)

    def drop_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask whether that is meant, and for a reason."""
        if not self.may_drop(request):
            raise PermissionDenied
        connection = self._found(request, object_id)
        form = DropForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            self._drop(request, connection, form.cleaned_data["reason"])
            return HttpResponseRedirect(reverse("admin:chat_connection_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Drop this connection?",
            "opts": self.opts,
            "original": connection,
            "form": form,
            "code": CloseCode.DROPPED.value,
        }
        return TemplateResponse(request, "admin/chat/connection/drop.html", context)

    def may_send(self, request: HttpRequest) -> bool:
        return super(ReadOnlyAdmin, self).has_change_permission(request)

    def may_drop(self, request: HttpRequest) -> bool:
        return super(ReadOnlyAdmin, self).has_delete_permission(request)

    def _found(self, request: HttpRequest, object_id: str) -> Connection:
        """The connection by its id; that there is no row says nothing about the connection."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        name = unquote(object_id)
        found: Connection | None = self.get_queryset(request).filter(pk=name).first()
        return found or Connection(connection_id=name)

    def _inspect(self, request: HttpRequest, connection: Connection) -> None:
        def ask() -> str:
            info = remote.inspect_now(connection.pk)
            silent_for = _duration(timezone.now() - info.last_active_at)
            return (
                f"It is there, says its process: since {_moment(info.connected_at)}, from "
                f"{info.source_ip or 'an unknown address'}, last heard {silent_for} ago."
            )

        self._act(request, connection, "Asked after it.", ask)

    def _send(self, request: HttpRequest, connection: Connection, text: str) -> None:
        def send() -> str:
            remote.post_now(connection.pk, text.encode())
            return "The message is on its way."

        done = f"Sent: {Truncator(text).chars(LOGGED_MAX)}"
        self._act(request, connection, done, send)

    def _drop(self, request: HttpRequest, connection: Connection, reason: str) -> None:
        def drop() -> str:
            remote.drop_now(connection.pk, code=CloseCode.DROPPED, reason=reason)
            Connection.objects.filter(pk=connection.pk).delete()  # as its process is about to
            return "It was dropped."

        done = f"Dropped: {reason}" if reason else "Dropped."
        self._act(request, connection, done, drop)

    def _act(
        self, request: HttpRequest, connection: Connection, act: str, do: Callable[[], str]
    ) -> None:
        """Do it, tell what became of it, and log who did it."""
        give_back()  # Another process may take two seconds.
        try:
            told, level = do(), messages.SUCCESS
        except remote.Gone:
            told, level = "It is gone: there is no such connection any more.", messages.WARNING
        except remote.Congested:
            told, level = "It reads too slowly: too much waits for it already.", messages.WARNING
        except remote.Unreachable:
            told, level = (
                "Its process does not answer, and may be gone; nobody knows yet. Try again in "
                "some seconds.",
                messages.ERROR,
            )
        self.message_user(request, told, level)
        outcome = act if level == messages.SUCCESS else f"{act} {told}"
        self.log_change(request, connection, outcome)

    def _back(self, request: HttpRequest, connection: Connection) -> HttpResponse:
        """Lead to its page, if it has one still."""
        if Connection.objects.filter(pk=connection.pk).exists():
            here = reverse("admin:chat_connection_change", args=[quote(connection.pk)])
            return HttpResponseRedirect(here)
        return HttpResponseRedirect(reverse("admin:chat_connection_changelist"))


def _named(what: object) -> str:
    """A room's or a topic's name; a filter as its members, one after the other."""
    if not isinstance(what, dict):
        return str(what)
    return " ".join(f"{name}={value}" for name, value in sorted(what.items()))


def _moment(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), "M j, H:i:s")


def _duration(duration: timedelta) -> str:
    if duration < timedelta(minutes=1):
        return f"{duration.seconds} s"
    return timesince(timezone.now() - duration)
