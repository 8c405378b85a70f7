"""The figures that the hardened servers have in common."""

from dataclasses import dataclass

MESSAGE_BYTES_MAX = 128 * 1024
# Four pictures of 10 MiB, their texts, and what multipart adds.
BODY_BYTES_MAX = 42 * 1024 * 1024

# The message by which the application drops a connection at once, whatever is still unsent; its
# name stands in `scope["extensions"]` where the server understands it.
ABORT = "picturegram.abort"
# Seconds that the other side has to take our close frame, answer it and close.
CLOSE_S = 5


@dataclass(frozen=True)
class Limits:
    """Bytes of one socket message, and of the body of one request."""

    message_bytes_max: int = MESSAGE_BYTES_MAX
    body_bytes_max: int = BODY_BYTES_MAX
