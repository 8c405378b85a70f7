"""PictureGram's settings. What an operator may set comes from the environment."""

from __future__ import annotations

from pathlib import Path

from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config.environment import Environment

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()

# As in pyproject.toml. Caches of another release's answers count as unknown.
RELEASE = "0.1.0"
DEBUG = env.flag("DEBUG")
DATA_DIR = env.path("DATA_DIR", BASE_DIR / "var")
SECRET_KEY = env.secret_key(debug=DEBUG, data_dir=DATA_DIR)
# Former keys: what they sealed or signed is still read.
SECRET_KEY_FALLBACKS = env.items("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]" if DEBUG else "")
if not DEBUG and not ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS must name the site's hosts when DEBUG is off.")

INSTALLED_APPS = [
    "daphne",  # First, so that `runserver` is daphne's.
    "config",
    "chat",
    "posts",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "servestatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
]
MIDDLEWARE = [
    "chat.pool.GiveBackMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "chat.acting.ActingMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ]
        },
    }
]

# --- Data -------------------------------------------------------------------------------------

# Threads that sockets use for the database, and connections the PostgreSQL pool may hold. The
# pool also serves HTTP requests, so it is larger.
DATABASE_THREADS = env.integer("DATABASE_THREADS", 8, least=1)
DATABASE_POOL_SIZE = env.integer("DATABASE_POOL_SIZE", 2 * DATABASE_THREADS, least=1)
DATABASES = {
    "default": env.database("DATABASE_URL", DATA_DIR / "db.sqlite3", pool_size=DATABASE_POOL_SIZE)
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Every GET would be a writer under SQLite's IMMEDIATE transactions.
ATOMIC_REQUESTS = False

# REDIS_URL may name several servers, comma-separated: they are shards. Without one, a single
# process serves everybody and the in-memory layer is enough.
REDIS_URLS = env.urls("REDIS_URL", "redis", "rediss", "unix")
# Keeps sites that share a Redis apart.
REDIS_PREFIX = env.text("REDIS_PREFIX", "picturegram")
if REDIS_URLS:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {
                "hosts": [
                    {
                        "address": url,
                        # Seconds. A silent link is noticed by the hub's own beat as well.
                        "socket_timeout": 8,
                        "socket_connect_timeout": 2,
                        "socket_keepalive": True,
                        "health_check_interval": 15,
                    }
                    for url in REDIS_URLS
                ],
                "prefix": REDIS_PREFIX,
            },
        }
    }
    CACHES = {
        "default": {
            "BACKEND": "config.cache.ForgivingRedisCache",
            # Django takes several for one writer and its copies; shards are none, and what it
            # counts (attempts to sign in) would never be read where it was written.
            "LOCATION": REDIS_URLS[0],
            "KEY_PREFIX": REDIS_PREFIX,
            # Seconds.
            "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 1},
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

MEDIA_ROOT = env.path("MEDIA_ROOT", DATA_DIR / "media")
MEDIA_URL = "/media/"
STATIC_URL = "/static/"
STATIC_ROOT = env.path("STATIC_ROOT", BASE_DIR / "staticfiles")
STATICFILES_DIRS = [BASE_DIR / "static"]
SERVESTATIC_AUTOREFRESH = DEBUG
SERVESTATIC_USE_FINDERS = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "config.static.ModuleManifestStorage"
        )
    },
}

# --- Routes -----------------------------------------------------------------------------------

# Handlers of an operator's own: `name=package.module.handler`, separated by commas, `!` behind
# those whose answer always goes to the caller; and a folder with a file for each. See
# docs/handlers.md. They are refused where the server starts, with what is wrong with them.
ROUTES = env.items("ROUTES")
ROUTES_DIR = env.text("ROUTES_DIR")
# Hosts that a route may be an address of: `name=https://host/path`.
ROUTE_HOSTS = env.items("ROUTE_HOSTS")
# Threads for handlers that are no coroutine functions. Each may hold a database connection.
ROUTE_THREADS = env.integer("ROUTE_THREADS", 8, least=1)

# --- Limits: each stands in `hello` and in /api/limits/ or says why not -----------------------

# Bytes of one socket message.
MESSAGE_BYTES_MAX = 128 * 1024
# Requests per second of one connection, and how many at once after a pause.
REQUESTS_PER_SECOND = env.integer("REQUESTS_PER_SECOND", 20, least=1)
REQUESTS_BURST = env.integer("REQUESTS_BURST", 60, least=1)
# The same for programs whose key may publish.
PRODUCER_REQUESTS_PER_SECOND = env.integer("PRODUCER_REQUESTS_PER_SECOND", 200, least=1)
PRODUCER_REQUESTS_BURST = env.integer("PRODUCER_REQUESTS_BURST", 400, least=1)
# Rooms, topics and filters, taken together, that one connection may be subscribed to.
SUBSCRIPTIONS_MAX = 200
# What one connection may have waiting before it counts as a slow reader.
OUTBOX_MESSAGES_MAX = 256
OUTBOX_BYTES_MAX = 1024 * 1024
# What one replay may carry, over all rooms of a subscribe; beyond it a page is cheaper.
REPLAY_EVENTS_MAX = 500
REPLAY_BYTES_MAX = 512 * 1024
# Recently encoded frames kept per room, so that a thousand returners are not a thousand scans.
RING_EVENTS_MAX = 500
RING_BYTES_MAX = 1024 * 1024
# Bytes of a producer event's payload: a reading, not a document.
EVENT_PAYLOAD_BYTES_MAX = 32 * 1024
# Events of a topic that can be resumed: enough for a short reconnect, no archive.
TOPIC_EVENTS_MAX = 256
TOPIC_BYTES_MAX = 1024 * 1024
# Seconds after its last event for which a topic's positions and events are kept.
TOPIC_LIFETIME_S = 3600
# Events in one HTTP request.
PUBLISH_RECORDS_MAX = 500
# Doorbells waiting for Redis; more than these are dropped, the tail check makes up for them.
DOORBELL_QUEUE_MAX = 10_000
HEARTBEAT_MS = 25_000
# Bytes of a shared state as JSON: half a message, so that it comes back in one.
STATE_BYTES_MAX = 64 * 1024
POST_TEXT_MAX = 4_000
ALT_TEXT_MAX = 1_000
PICTURES_PER_POST_MAX = 4
PICTURE_BYTES_MAX = 10 * 1024 * 1024
PICTURE_PIXELS_MAX = 50_000_000
# Different ones; how many people share one has no limit.
EMOJIS_PER_POST_MAX = 20
# Four pictures and a little text.
REQUEST_BODY_MAX = 41 * 1024 * 1024
# How long a deletion can be undone before the files go.
UNDO_MINUTES = 10
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
# The admin's lists and a room's members are the largest forms.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
# More than a post may have, so that the fifth is refused by us, with the draft kept.
DATA_UPLOAD_MAX_NUMBER_FILES = 5 * PICTURES_PER_POST_MAX

# --- Who may do what --------------------------------------------------------------------------

# Visitors without an account may read public rooms.
ANONYMOUS_MAY_READ = env.flag("ANONYMOUS_MAY_READ", True)
LOBBY_SLUG = "lobby"
AUTH_USER_MODEL = "chat.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "chat.accounts.AccountAdapter"
ACCOUNT_USERNAME_MIN_LENGTH = 2
# They would pass for the operator, or for everybody in a mention.
ACCOUNT_USERNAME_BLACKLIST = [
    *("admin", "administrator", "moderator", "picturegram", "root", "staff", "support", "system"),
    *("all", "channel", "everyone", "here", "me"),
]
ACCOUNT_USERNAME_VALIDATORS = "chat.models.user.username_validators"
ACCOUNT_PRESERVE_USERNAME_CASING = False
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
EMAIL_BACKEND = (
    "django.core.mail.backends.console.EmailBackend"
    if DEBUG
    else "django.core.mail.backends.smtp.EmailBackend"
)
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "picturegram@localhost")

# --- The web's own dangers --------------------------------------------------------------------

# HTTPS is on unless DEBUG is, or the operator says that it serves plain HTTP in a closed network.
HTTPS = env.flag("HTTPS", not DEBUG)
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
# The proxy in front must set this header and strip it from clients; nothing else is believed but
# the end of X-Forwarded-For.
TRUST_PROXY = env.flag("TRUST_PROXY")
if TRUST_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    # Limits on signing in count by the address that the proxy added last to X-Forwarded-For;
    # its own would be everybody's.
    ALLAUTH_TRUSTED_PROXY_COUNT = 1
CSRF_TRUSTED_ORIGINS = env.items("TRUSTED_ORIGINS")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- REST -------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "chat.api.authentication.BearerAuthentication",
        "chat.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "rest_framework.parsers.JSONParser",
        "rest_framework.parsers.MultiPartParser",
        "rest_framework.parsers.FormParser",
    ],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "chat.api.exceptions.handle_exception",
    # Addresses have no `?format=`; an unknown parameter is ignored.
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "PictureGram",
    "DESCRIPTION": "A self-hosted, live picture chat. The socket has "
    "[a page of its own](/api/docs/socket/).",
    "VERSION": RELEASE,
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "chat.api.schema.add_error_answers",
    ],
}

# --- Tests ------------------------------------------------------------------------------------

# Opens /ws/echo/ to programs of this machine, without a sign-in. Refused without DEBUG.
ECHO_ROUTE = env.flag("ECHO_ROUTE")

# --- The rest ---------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.text("TIME_ZONE", "UTC")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "INFO")},
    "loggers": {
        # Django's own handlers would say everything a second time.
        "django": {"level": "INFO"},
        # Anybody's Host would be an error with a traceback; who sends it is told 400.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "django.channels.server": {"level": "WARNING"},
        "daphne": {"level": "WARNING"},
        "twisted": {"level": "WARNING"},
        # A traceback a second while Redis is away; our own link says so once.
        "channels_redis.pubsub": {"level": "CRITICAL"},
    },
}
