"""What a reader of attributes says of the faces that a network makes."""

from __future__ import annotations

from torch import Tensor

from generative import losses
from generative.conditions import AGE, KNOTS, Vocabulary
from generative.reading import AttributeReader


class Shown:
    """How far faces are from showing what they should, by a reader that does not learn with them."""

    def __init__(self, reader: AttributeReader, vocabulary: Vocabulary) -> None:
        """`vocabulary`: of the faces; what only one of the two knows does not count."""
        self.reader, known = reader, reader.vocabulary
        both = tuple(name for name in vocabulary.attributes if name in known.attributes)
        self.vocabulary = Vocabulary(both, AGE in vocabulary.names and AGE in known.names)
        self._wanted, self._read = (_columns(one, self.vocabulary) for one in (vocabulary, known))

    def __call__(self, faces: Tensor, wanted: Tensor) -> Tensor:
        """Mean over faces (B, 3, S, S) in [-1, 1] of the nats by which they miss all that (B, V) asks for."""
        logits = self.reader.logits(faces)[:, self._read]
        flags, ages = losses.attribute_nats(logits, wanted[:, self._wanted], self.vocabulary)
        return (flags.sum(dim=1) + ages).mean()


def _columns(vocabulary: Vocabulary, part: Vocabulary) -> list[int]:
    """Where `vocabulary` has what `part` knows."""
    names = len(vocabulary.attributes)
    ages = range(names, names + len(KNOTS)) if part.ages else ()
    return [*(vocabulary.attributes.index(name) for name in part.attributes), *ages]
