"""Django's classes with the type arguments that their stubs have and they themselves have not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin, TabularInline
    from django.contrib.auth.admin import UserAdmin
    from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
    from django.forms import ModelForm
else:
    from django.contrib import admin
    from django.contrib.auth import admin as auth_admin
    from django.contrib.auth import forms as auth_forms
    from django.forms import models

    def _generic(cls):
        ignore_arguments = classmethod(lambda cls, arguments: cls)
        return type(cls)(cls.__name__, (cls,), {"__class_getitem__": ignore_arguments})

    ModelAdmin = _generic(admin.ModelAdmin)
    TabularInline = _generic(admin.TabularInline)
    UserAdmin = _generic(auth_admin.UserAdmin)
    AdminUserCreationForm = _generic(auth_forms.AdminUserCreationForm)
    UserChangeForm = _generic(auth_forms.UserChangeForm)
    ModelForm = _generic(models.ModelForm)

__all__ = [
    "AdminUserCreationForm",
    "ModelAdmin",
    "ModelForm",
    "TabularInline",
    "UserAdmin",
    "UserChangeForm",
]
