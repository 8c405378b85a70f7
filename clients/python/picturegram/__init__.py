"""A client for PictureGram: rooms, requests and topics over one socket that mends itself.

async with picturegram.connect("https://chat.example.org", token="pgk_…") as client:
    await client.subscribe("lobby")
    await client.post("lobby", "Hello from Python")
    async for event in client.events():
        print(event)
"""

from picturegram.client import Client, connect
from picturegram.errors import PicturegramError, Refused, Stopped, Unknown, Unreachable
from picturegram.producer import Producer, Record
from picturegram.rest import Image
from picturegram.subscriptions import Position
from picturegram.wire import Frame

__all__ = [
    "Client",
    "Frame",
    "Image",
    "PicturegramError",
    "Position",
    "Producer",
    "Record",
    "Refused",
    "Stopped",
    "Unknown",
    "Unreachable",
    "connect",
]
