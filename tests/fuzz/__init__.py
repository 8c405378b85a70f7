"""Frames that nobody should send, against real server processes.

`python -m tests.fuzz` tries some minutes, `--short` some seconds. What must hold whatever comes:
the log has no traceback and no ERROR, every request is answered, no socket is closed but for what
the protocol closes it for, and the server neither grows nor stops serving.
"""
