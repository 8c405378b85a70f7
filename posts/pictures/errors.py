"""Why a picture was not taken. Every message names what would be."""

from __future__ import annotations

from chat.errors import AppError, TooLarge, UnsupportedMediaType


class PictureError(AppError):
    """A picture was refused or could not be kept; nothing of it is left on disk."""


class NotAPicture(PictureError, UnsupportedMediaType):
    message = "That file is none of the pictures that are accepted."


class PictureTooLarge(PictureError, TooLarge):
    message = "That file is too large."


class TooManyPixels(PictureError):
    code, status = "too_many_pixels", 422
    message = "That picture has too many pixels."


class UnreadablePicture(PictureError):
    code, status = "unreadable_picture", 422
    message = "That picture is damaged or incomplete."


class PictureTooComplex(PictureError):
    """Decoding it took more memory or time than a picture may."""

    code, status = "picture_too_complex", 422
    message = "That picture takes too much memory or time to read."


class PicturesBusy(PictureError):
    code, status = "busy", 503
    message = "Too many pictures are being read right now; wait a moment."


class StorageFull(PictureError):
    code, status = "storage_full", 507
    message = "There is no room left for pictures on the server."


class StorageUnavailable(PictureError):
    code, status = "storage_unavailable", 503
    message = "Pictures cannot be stored on the server right now."
