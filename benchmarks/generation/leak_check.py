"""Whether a generator repeats the faces that it learned from: who is asked for, and what is compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.generation import leaks
from benchmarks.generation.leaks import DRAWS, Features
from benchmarks.generation.subjects import Crops, Subjects, counterparts
from benchmarks.judging.halves import MAKERS, half_of
from benchmarks.rows import Measurement
from generative.data import FaceData
from generative.synthesis import Synthesizer
from recog.errors import DataError

LEAST = 20  # photos a side


@dataclass(frozen=True, eq=False)
class Sides:
    """Photos that the check asks about."""

    asked: NDArray[np.int64]  # rows of people not learned from, for whom faces are made
    members: NDArray[np.int64]  # rows that were learned from
    others: NDArray[np.int64]  # rows that were not
    new: NDArray[np.int64]  # people who were learned from, and are new to the judges

    @classmethod
    def drawn(cls, training: FaceData, held_out: FaceData, count: int, seed: int) -> Sides:
        """`count` rows a side, or as many as there are, of people who have another photo.

        Members are people of the makers' half: the judges, who learned from the other one, know neither side.

        Raises: DataError: too few of them.
        """
        rng = np.random.default_rng(seed)
        makers = np.array([half_of(name) == MAKERS for name in training.crops.identities])
        usable = makers[training.crops.labels] & ~np.isnan(training.similarities)
        if usable.sum() < LEAST:
            raise DataError(
                f"{int(usable.sum())} training faces are of people who have another photo and are new to the "
                f"judges; a membership attack needs {LEAST}. Give more training faces, or none."
            )
        return cls(
            rng.permutation(len(held_out))[:count],
            rng.permutation(np.flatnonzero(usable))[:count],
            rng.permutation(np.flatnonzero(~np.isnan(held_out.similarities)))[:count],
            np.flatnonzero(makers),
        )


class LeakCheck:
    """What generators may have kept of the faces that they learned from, in each kind of features."""

    def __init__(
        self,
        training: FaceData,
        subjects: Subjects,
        strangers: FaceData | None,
        scaled: Callable[[Crops], dict[str, Features]],
        held_out: Mapping[str, Features],
        *,
        count: int,
        seed: int,
    ) -> None:
        """What does not depend on the generator.

        Args:
            subjects: people who were not learned from, for whom faces are made.
            strangers: yet others, who are only compared with; None: nobody.
            scaled: features of crops (N, S, S, 3), by kind. held_out: those of the subjects' photos.
            count: faces a side.
        Raises: DataError: too few training faces of people who are new to the judges.
        """
        self.training, self.subjects, self.scaled, self.seed = training, subjects, scaled, seed
        self.sides = Sides.drawn(training, subjects.faces, count, seed)
        self.held_out = {kind: features[self.sides.others] for kind, features in held_out.items()}
        self.learned = scaled(np.asarray(training.crops.images))
        # of people whom the judges do not know either: they see those in finer detail
        self.of_new = np.isin(training.crops.labels, self.sides.new)
        self.usual = {
            kind: leaks.nearest(self.held_out[kind], seen[self.of_new]) for kind, seen in self.learned.items()
        }
        self.strange: dict[str, Features] = {}
        if strangers is not None:
            # of both as many people, with all of their photos
            rng, known = np.random.default_rng(seed), strangers.crops.labels
            count = min(len(self.sides.new), len(strangers.crops.identities))
            chosen = (rng.permutation(self.sides.new), rng.permutation(len(strangers.crops.identities)))
            both = zip((training.crops.labels, known), chosen, strict=True)
            self.beside, rows = (np.flatnonzero(np.isin(labels, ids[:count])) for labels, ids in both)
            whose = (training.crops.labels[self.beside], known[rows])
            codes = [np.unique(labels, return_inverse=True)[1] for labels in whose]
            self.people = codes[0], codes[1]
            self.strange = scaled(np.asarray(strangers.crops.images[rows]))

    def measured(self, synthesizer: Synthesizer) -> list[Measurement]:
        """Nearness to training faces, and what an attacker gains."""
        sides, seed = self.sides, self.seed
        made = self.scaled(counterparts(synthesizer, self.subjects, sides.asked, seed + 1))
        inside, outside = (
            self.scaled(asked_again(synthesizer, faces, rows, seed))
            for faces, rows in ((self.training, sides.members), (self.subjects.faces, sides.others))
        )
        whose = self.training.crops.labels[sides.members], self.subjects.labels[sides.others]
        found = []
        for kind, learned in self.learned.items():
            name = f"nearest training face, {kind}"
            near = leaks.nearest(made[kind], learned[self.of_new])
            found.append(leaks.too_near(near, self.usual[kind], name))
            if self.strange:
                found += leaks.nearer(
                    made[kind], learned[self.beside], self.strange[kind], self.people, name, seed
                )
            found += leaks.membership(
                leaks.to_nearest(learned[sides.members], inside[kind]),
                leaks.to_nearest(self.held_out[kind], outside[kind]),
                whose,
                f"membership attack, {kind}",
            )
        return found


def asked_again(synthesizer: Synthesizer, faces: FaceData, rows: NDArray[np.int64], seed: int) -> Crops:
    """(R * DRAWS, S, S, 3) faces of the person on each photo, by the person's other photos."""
    rng = torch.Generator().manual_seed(seed)
    centres = torch.from_numpy(faces.centres[rows])
    attributes = synthesizer.people.draw_attributes(centres, DRAWS, rng).flatten(0, 1)
    return synthesizer.faces(centres.repeat_interleave(DRAWS, dim=0), attributes, rng)
