"""People: deactivated, never deleted."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from chat.admin.generic import AdminUserCreationForm, ModelForm, UserAdmin, UserChangeForm
from chat.admin.pages import counted
from chat.models import User
from chat.services import join_lobby

# What makes somebody mightier; only superusers give it.
POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")


class PersonCreationForm(AdminUserCreationForm[User]):
    class Meta:
        model = User
        fields = ("username", "display_name", "email")


class PersonForm(UserChangeForm[User]):
    class Meta:
        model = User
        fields = "__all__"  # the page's fieldsets choose


@admin.register(User)
class PersonAdmin(UserAdmin[User]):
    form = PersonForm
    add_form = PersonCreationForm
    list_display = (
        "username",
        "display_name",
        "email",
        "is_active",
        "is_staff",
        "last_login",
    )
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("username", "display_name", "email")
    ordering = ("username",)
    date_hierarchy = "date_joined"
    readonly_fields = ("avatar", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("display_name", "email", "avatar")}),
        (
            "Rights",
            {
                "fields": ("is_active", *POWERS),
                "description": "Deactivating somebody signs them out everywhere within a second. "
                "What they posted stays; hide it under Posts.",
            },
        ),
        ("Dates", {"fields": ("date_joined", "last_login")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "fields": (
                    *("username", "display_name", "email"),
                    *("usable_password", "password1", "password2"),
                )
            },
        ),
    )
    actions = ("deactivate", "activate")

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Whoever may set a superuser's password or name is one."""
        is_above = obj is not None and obj.is_superuser and not _is_superuser(request)
        return super().has_change_permission(request, obj) and not is_above

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if _is_superuser(request) else (*fields, *POWERS)

    def save_model(
        self, request: HttpRequest, obj: User, form: ModelForm[User], change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            join_lobby(person=obj)

    @admin.action(description="Deactivate: sign out everywhere", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._set_active(
            request, queryset.exclude(username=request.user.get_username()), is_active=False
        )

    @admin.action(description="Activate again", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._set_active(request, queryset, is_active=True)

    def _set_active(self, request: HttpRequest, people: QuerySet[User], *, is_active: bool) -> None:
        """Save one by one: only a save closes sockets."""
        changed = 0
        for person in people.exclude(is_active=is_active):
            if self.has_change_permission(request, person):
                person.is_active = is_active
                person.save(update_fields=["is_active"])
                changed += 1
        done = "Activated" if is_active else "Deactivated"
        self.message_user(request, f"{done} {counted(changed, 'account')}.", messages.SUCCESS)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_superuser)
