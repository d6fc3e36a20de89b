"""What can go wrong here and nowhere else (the tree: recog.errors)."""

from __future__ import annotations

from recog.errors import ModelError, RecogError


class TrainingDiverged(RecogError):
    """A loss or a gradient is no longer a finite number."""

    def __init__(self, kind: str, phase: str, step: int, what: str) -> None:
        super().__init__(
            f"{kind} training stopped at step {step}: the {what} of phase {phase!r} is not finite. "
            "The run directory still holds the last good state; start another run with a lower learning rate."
        )


class SynthesisExhausted(ModelError):
    """The generator could not make as many faces as were asked for under the given limits."""
