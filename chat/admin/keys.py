"""Access keys: issued here with their token shown once, and revoked."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from chat.admin.generic import ModelAdmin, ModelForm
from chat.admin.pages import counted
from chat.errors import Invalid
from chat.models import AccessKey, User
from chat.models.access_key import SCOPES, STAFF_SCOPES
from chat.services import check_scopes, issue_access_key

CHOICES = [(scope, f"{scope} (staff)" if scope in STAFF_SCOPES else scope) for scope in SCOPES]


class KeyForm(ModelForm[AccessKey]):
    scopes = forms.MultipleChoiceField(
        choices=CHOICES,
        widget=forms.CheckboxSelectMultiple,
        help_text="What the program may do, as far as its person may.",
    )

    class Meta:
        model = AccessKey
        fields = ("user", "name", "scopes")

    def clean(self) -> dict[str, Any]:
        super().clean()
        user: User | None = self.cleaned_data.get("user")
        if user is not None and self.cleaned_data.get("scopes"):
            try:
                check_scopes(user, self.cleaned_data["scopes"])
            except Invalid as error:
                raise forms.ValidationError(dict(error.fields or {})) from None
        return self.cleaned_data


@admin.register(AccessKey)
class AccessKeyAdmin(ModelAdmin[AccessKey]):
    form = KeyForm
    list_display = ("__str__", "name", "user", "scope_names", "created_at", "revoked_at")
    list_select_related = ("user",)
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("id", "name", "user__username")
    autocomplete_fields = ("user",)
    actions = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: AccessKey | None = None) -> Any:
        if obj is None:
            return ("user", "name", "scopes")
        return ("id", "user", "name", "scope_names", "created_at", "revoked_at")

    def has_change_permission(self, request: HttpRequest, obj: AccessKey | None = None) -> bool:
        """A key is never changed, but the list's actions ask for this."""
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: AccessKey | None = None) -> bool:
        return False

    def save_model(
        self, request: HttpRequest, obj: AccessKey, form: ModelForm[AccessKey], change: bool
    ) -> None:
        """Issue the key; the token lives on this request alone until it is shown."""
        key, token = issue_access_key(user=obj.user, scopes=obj.scopes, name=obj.name)
        obj.pk = key.pk
        obj.refresh_from_db()
        request.META["picturegram.token"] = token

    def response_add(
        self, request: HttpRequest, obj: AccessKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the token in this answer: a redirect would have to store it somewhere."""
        context = {
            **self.admin_site.each_context(request),
            "title": "The key was issued",
            "opts": self.opts,
            "key": obj,
            "token": request.META.pop("picturegram.token"),
        }
        return TemplateResponse(request, "admin/chat/accesskey/issued.html", context)

    @admin.display(description="scopes")
    def scope_names(self, key: AccessKey) -> str:
        return ", ".join(key.scopes)

    @admin.action(description="Revoke for ever: close their connections", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[AccessKey]) -> None:
        keys = list(queryset.filter(revoked_at=None))
        for key in keys:
            key.revoke()
        self.message_user(request, f"Revoked {counted(len(keys), 'key')}.", messages.SUCCESS)
