"""The product's own settings, with data of their own and a password hasher that costs nothing.

DATABASE_URL chooses between SQLite (a file, so that threads and processes share it) and PostgreSQL.
Processes that a test starts inherit the environment set here, and so the same folder.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

if "TEST_DATA_DIR" not in os.environ:
    os.environ["TEST_DATA_DIR"] = tempfile.mkdtemp(prefix="picturegram-tests-")
    atexit.register(shutil.rmtree, os.environ["TEST_DATA_DIR"], ignore_errors=True)
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
