"""Where everything is. Sockets, streams and /readyz are in config.routing."""

from __future__ import annotations

from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update
from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from chat.api.socket_docs import AsyncApiView, socket_docs
from chat.api.views import NowhereView
from posts.media import PictureView

# Swagger's page sets styles on elements; nothing of anybody's is shown there, so nobody is asked
# who they are.
api_docs = csp_update({"style-src": [UNSAFE_INLINE]})(
    SpectacularSwaggerSplitView.as_view(url_name="schema", authentication_classes=[])
)

handler400 = "chat.api.exceptions.bad_request"
handler404 = "chat.api.exceptions.not_found"
handler500 = "chat.api.exceptions.server_error"

urlpatterns = [
    path("", include("posts.urls")),
    path("accounts/", include("allauth.account.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("chat.urls")),
    path("api/", include("posts.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", api_docs, name="docs"),
    path("api/docs/socket/", socket_docs, name="socket-docs"),
    path("api/asyncapi.json", AsyncApiView.as_view(), name="asyncapi"),
    re_path(r"^api/", NowhereView.as_view()),
    path("media/pictures/<uuid:picture_id>/<str:name>", PictureView.as_view()),
    re_path(r"^media/", NowhereView.as_view()),
]
