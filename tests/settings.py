"""The product's own settings, with data of their own and a password hasher that costs nothing.

DATABASE_URL chooses between SQLite (a file, so that threads and processes share it) and PostgreSQL.
Processes that a test starts inherit the environment set here, and so the same folder.
"""

import os
import secrets
import tempfile
from pathlib import Path

# conftest.py makes the folder; the type checker, which reads these settings too, needs none.
folder = Path(tempfile.gettempdir()) / f"picturegram-tests-{secrets.token_hex(8)}"
os.environ.setdefault("TEST_DATA_DIR", str(folder))
for name in ("ALLOWED_HOSTS", "MEDIA_ROOT", "STATIC_ROOT"):
    os.environ.pop(name, None)
os.environ |= {
    "DEBUG": "1",
    "SECRET_KEY": "for-tests-only-" * 5,
    "DATA_DIR": os.environ["TEST_DATA_DIR"],
}

from config.settings import *  # noqa: E402, F403
from config.settings import DATABASES  # noqa: E402

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"] = {"NAME": str(Path(os.environ["DATA_DIR"]) / "test.sqlite3")}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
