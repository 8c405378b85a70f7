"""The product's settings with a heartbeat that a test can wait for."""

from config.settings import *  # noqa: F403

HEARTBEAT_MS = 2000
