"""`python manage.py access_key <username> --scope read …`: a key for a program."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.errors import Invalid
from chat.models import User
from chat.models.access_key import SCOPES, STAFF_SCOPES
from chat.services import issue_access_key


class Command(BaseCommand):
    help = "Makes an access key for a program and prints its id and token, once."

    def add_arguments(self, parser: CommandParser) -> None:
        staff = ", ".join(scope for scope in SCOPES if scope in STAFF_SCOPES)
        parser.add_argument("username", help="whose rights the key has, within its scopes")
        parser.add_argument(
            "--scope",
            action="append",
            default=[],
            dest="scopes",
            metavar="SCOPE",
            help=f"one of {', '.join(SCOPES)}; may be given several times ({staff}: staff only)",
        )
        parser.add_argument("--name", default="", help="what the key is for, as the admin shows it")

    def handle(
        self, *args: Any, username: str, scopes: list[str], name: str, **options: Any
    ) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no user {username}.")
        try:
            key, token = issue_access_key(user=user, scopes=scopes, name=name)
        except Invalid as error:
            raise CommandError(" ".join((error.fields or {"": str(error)}).values())) from None
        self.stdout.write(f"id     {key.pk}")
        self.stdout.write(f"token  {token}")
        self.stderr.write("Keep the token now: it is not shown again.")
        self.stderr.write("For signed requests the id is the access key id, the token the secret.")
