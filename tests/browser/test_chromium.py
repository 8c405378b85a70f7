"""The browser itself, before anything of ours is in it."""

from playwright.sync_api import Page


def test_browser_runs_modules_and_speaks_websocket(page: Page) -> None:
    page.set_content("<output></output>")
    page.add_script_tag(
        type="module", content="document.querySelector('output').value = typeof WebSocket"
    )

    page.wait_for_function("document.querySelector('output').value === 'function'")
