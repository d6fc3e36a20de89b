"""Faces that a recogniser lacks: synthesis (GAN, VAE) and repair."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from generative.repair import Repairer
    from generative.synthesis import Synthesizer

__all__ = ["Repairer", "Synthesizer"]


def __getattr__(name: str) -> object:
    """Load torch only when something that needs it is asked for."""
    if name == "Repairer":
        from generative.repair import Repairer

        return Repairer
    if name == "Synthesizer":
        from generative.synthesis import Synthesizer

        return Synthesizer
    raise AttributeError(f"module 'generative' has no attribute {name!r}")
