"""The ASGI application: Django, the sockets, and the streams beside them."""

from __future__ import annotations

import os
import sys

from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()

from django.conf import settings

from chat.gateway.handlers.mounting import mount_routes
from chat.realtime.server import Server
from chat.realtime.startup import prepare
from config import hardening
from config.echo import refuse_in_public
from config.routing import build_application

hardening.install(
    message_bytes_max=settings.MESSAGE_BYTES_MAX, body_bytes_max=settings.REQUEST_BODY_MAX
)
hardening.on_shutdown(Server.drain_all)
try:
    refuse_in_public()
    mount_routes()
    prepare()
except ImproperlyConfigured as reason:
    # The sentence says what to do; a stack of frames would only hide it. Written out here, since
    # `runserver` imports this in a thread, where nobody prints why it ended.
    sys.stderr.write(f"PictureGram cannot start. {reason}\n")
    sys.exit(1)
application = hardening.BodyLimit(build_application(django_application), settings.REQUEST_BODY_MAX)
