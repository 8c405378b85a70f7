"""People in front of browsers, and what they do from elsewhere."""

import io
import re
from typing import Any, Self

import httpx
from PIL import Image, ImageDraw
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    FilePayload,
    Locator,
    Page,
    Request,
    WebSocketRoute,
    expect,
)

from tests.live.people import PASSWORD

# Milliseconds that a state may take to come about. Generous: two processors serve everything.
DEADLINE_MS = 15_000
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
# Orientation 6 of Exif: the camera was held upright, its sensor lay on the side.
ORIENTATION, ROTATED = 0x0112, 6
GPS_INFO = 0x8825

expect.set_options(timeout=DEADLINE_MS)


class Client:
    """A program of somebody's, which speaks REST."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=f"{url}/api/", headers=headers, timeout=30)

    def create_room(self, slug: str, visibility: str = "public") -> None:
        body = {"slug": slug, "title": f"Room {slug}", "visibility": visibility}
        self.http.post("rooms/", json=body).raise_for_status()

    def join(self, slug: str) -> None:
        self.http.post(f"rooms/{slug}/join/").raise_for_status()

    def post(self, slug: str, text: str) -> dict[str, Any]:
        answer = self.http.post(f"rooms/{slug}/posts/", json={"text": text})
        answer.raise_for_status()
        post: dict[str, Any] = answer.json()
        return post

    def texts(self, slug: str) -> list[str]:
        """The room's texts as they are stored, newest first."""
        answer = self.http.get(f"rooms/{slug}/posts/", params={"limit": 100})
        answer.raise_for_status()
        return [post["text"] for post in answer.json()["results"]]


class Person:
    """One browser of somebody's, with what one does in it. Notes everything that goes wrong."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        *,
        expected_errors: str = "a^",
        has_sockets_in_hand: bool = False,
        **options: Any,
    ) -> None:
        options.setdefault("viewport", DESKTOP)
        self.url = url
        # Console errors that a test brings about on purpose.
        self.expected_errors = re.compile(expected_errors)
        self.context = browser.new_context(base_url=url, locale="en-US", **options)
        self.context.set_default_timeout(DEADLINE_MS)
        self.problems: list[str] = []
        self.are_sockets_blocked = False
        self.sockets: list[WebSocketRoute] = []
        if has_sockets_in_hand:
            self.context.route_web_socket("**/ws/**", self._route_socket)
        self.page = self.new_page()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.context.close()

    def new_page(self) -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.problems.append(f"Uncaught: {error}"))
        page.on("console", self._hear)
        page.on("request", self._see)
        return page

    def sign_in(self, name: str) -> None:
        self.page.goto("/accounts/login/")
        self.page.get_by_label("Username or email").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("main").get_by_role("button", name="Log in").click()
        self.page.wait_for_url("**/rooms/**")

    def open(self, slug: str) -> Self:
        self.page.goto(f"/rooms/{slug}/")
        self.expect_live()
        return self

    def write(self, text: str, *files: FilePayload) -> None:
        self.page.get_by_label("What’s Up?").fill(text)
        if files:
            self.page.get_by_label("Attach optional image").first.set_input_files(list(files))

    def block_sockets(self) -> None:
        """Let no WebSocket through any more, as some networks do, and cut those that are open."""
        self.are_sockets_blocked = True
        for socket in self.sockets:
            socket.close()
        self.sockets.clear()

    def unblock_sockets(self) -> None:
        self.are_sockets_blocked = False

    def post(self, text: str, *files: FilePayload) -> None:
        self.write(text, *files)
        self.page.get_by_role("button", name="POST!").click()

    def card(self, text: str) -> Locator:
        return self.page.locator("pg-post").filter(has_text=text)

    @property
    def state(self) -> str | None:
        return self.page.locator("pg-connection").get_attribute("data-state")

    def expect_state(self, *states: str, timeout_ms: float = DEADLINE_MS) -> None:
        pattern = re.compile(f"^({'|'.join(states)})$")
        connection = self.page.locator("pg-connection")
        expect(connection).to_have_attribute("data-state", pattern, timeout=timeout_ms)

    def expect_live(self, timeout_ms: float = DEADLINE_MS) -> None:
        self.expect_state("live", timeout_ms=timeout_ms)

    def expect_texts(self, *texts: str) -> None:
        """Wait until the feed shows exactly these texts, newest first."""
        shown = self.page.locator("pg-post [data-text]")
        expect(shown).to_have_text(list(texts))

    def _route_socket(self, socket: WebSocketRoute) -> None:
        if self.are_sockets_blocked:
            socket.close()
        else:
            socket.connect_to_server()
            self.sockets.append(socket)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not self.expected_errors.search(message.text):
            self.problems.append(f"Console: {message.text}")

    def _see(self, request: Request) -> None:
        if not request.url.startswith((self.url, "blob:", "data:")):
            self.problems.append(f"Request to a third party: {request.url}")


def photo(name: str = "IMG_0001.jpg") -> FilePayload:
    """A photo as a phone makes it: lying on its side, with the place where it was taken.

    Upright it is 600 wide and 800 high, with a blue sky above.
    """
    upright = Image.new("RGB", (600, 800), (206, 132, 60))
    ImageDraw.Draw(upright).rectangle((0, 0, 600, 400), fill=(80, 140, 210))
    exif = Image.Exif()
    exif[ORIENTATION] = ROTATED
    exif[GPS_INFO] = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)}
    out = io.BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).save(out, "JPEG", quality=90, exif=exif)
    return {"name": name, "mimeType": "image/jpeg", "buffer": out.getvalue()}
