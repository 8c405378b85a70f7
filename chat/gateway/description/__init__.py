"""The gateway describes itself: what is registered, as AsyncAPI and as a page for people."""
