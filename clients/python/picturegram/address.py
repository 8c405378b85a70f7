"""The addresses of a site: people copy them from browsers, programs from documents."""

from urllib.parse import urlsplit, urlunsplit

PLAIN = {"http": "http", "ws": "http", "https": "https", "wss": "https"}


def site_url(url: str) -> str:
    """Return the site's HTTP address, with a slash at its end, from any address of it.

    `http`, `https`, `ws` and `wss` will do, with `/ws/` at the end or without. Raises ValueError.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    scheme = PLAIN.get(parts.scheme)
    if scheme is None or not parts.hostname:
        raise ValueError(f"{url!r} is no address of a PictureGram, such as https://example.org")
    path = parts.path.rstrip("/").removesuffix("/ws") + "/"
    return urlunsplit((scheme, parts.netloc, path, "", ""))


def socket_url(url: str) -> str:
    """Return the address of the site's gateway. Raises ValueError."""
    return "ws" + site_url(url).removeprefix("http") + "ws/"
