"""Makes the people and rooms of a live test, and prints their bearer tokens as JSON.

`python -m tests.live.people '{"people": ["alice"], "rooms": {"lobby": {"owner": "alice"}}}'`

A room is `{"owner": name, "members": [names], "visibility": "public"}`, the latter two optional.
Everybody's password is `PASSWORD`. What is there already stays as it is.
"""

import json
import sys
from typing import Any

import django

PASSWORD = "picturegram"
SCOPES = ["read", "post"]


def main(wanted: dict[str, Any]) -> dict[str, str]:
    """Make what is wanted; return a token with the scopes read and post for each person."""
    django.setup()
    from django.contrib.auth.hashers import make_password  # noqa: PLC0415

    from chat.models import AccessKey, Membership, Room, User  # noqa: PLC0415

    tokens = {}
    # Hashed once: it takes a good part of a second, and nobody guesses the salt of a test.
    password = make_password(PASSWORD)
    for name in wanted["people"]:
        user, _ = User.objects.get_or_create(username=name, defaults={"password": password})
        _, tokens[name] = AccessKey.objects.issue(user, name="test", scopes=SCOPES)
    for slug, room in wanted["rooms"].items():
        visibility = room.get("visibility", "public")
        found = Room.objects.filter(slug=slug).first()
        found = found or Room.objects.create(slug=slug, title=slug, visibility=visibility)
        roles = dict.fromkeys(room.get("members", ()), "member") | {room["owner"]: "owner"}
        for name, role in roles.items():
            user = User.objects.get(username=name)
            if not Membership.objects.filter(room=found, user=user).exists():
                Membership.objects.create(room=found, user=user, role=role)
    return tokens


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
