"""Faces that a recogniser lacks: synthesis (GAN, VAE), editing and repair."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from generative.editing import Editor
    from generative.repair import Repairer
    from generative.synthesis import Synthesizer

__all__ = ["Editor", "Repairer", "Synthesizer"]
HOMES = {"Editor": "editing", "Repairer": "repair", "Synthesizer": "synthesis"}


def __getattr__(name: str) -> object:
    """Load torch only when something that needs it is asked for."""
    if name not in HOMES:
        raise AttributeError(f"module 'generative' has no attribute {name!r}")
    return getattr(import_module(f"generative.{HOMES[name]}"), name)
