"""The README's snippet for a browser's console, pasted into one."""

from tests.browser.conftest import Meet
from tests.browser.people import Client
from tests.readme import example


def test_console_snippet_posts_to_the_lobby(meet: Meet, clients: dict[str, Client]) -> None:
    alice = meet("alice")
    alice.page.goto("/rooms/lobby/")
    alice.page.evaluate(f"() => {{ {example('js', 'newchat')} }}")
    alice.page.get_by_text("Hello from the console").wait_for()
    assert "Hello from the console" in clients["bob"].texts("lobby")
