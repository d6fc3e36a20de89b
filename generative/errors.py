"""What can go wrong here and nowhere else (the tree: recog.errors)."""

from __future__ import annotations

from recog.errors import ModelError


class SynthesisExhausted(ModelError):
    """The generator could not make as many faces as were asked for under the given limits."""
