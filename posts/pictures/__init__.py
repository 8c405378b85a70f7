"""From an upload to pictures that are safe to store and to show.

    examine  is it one of the accepted formats, and small enough? (bytes decide, not names)
    pool     hands it to a worker process of its own, with limits of memory and time
    worker   that process: decode → colour → render → placeholder
    process  the two steps above in one call
    store    all files of a picture in place, whole and synced, or none

Nothing here knows a model or a setting; limits and the folder are given by the caller.
"""
