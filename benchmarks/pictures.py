"""What pages show pictures with: the colours of frames, and PNG files as text."""

from __future__ import annotations

import base64

GREEN, RED, GREY = (46, 160, 67), (207, 34, 46), (140, 149, 159)


def data_uri(png: bytes) -> str:
    """A PNG as text for an <img>, so that a page needs no other file."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
