"""`python -m picturegram` is the command `picturegram`."""

from picturegram.command_line import main

if __name__ == "__main__":
    raise SystemExit(main())
