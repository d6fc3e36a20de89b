"""How much of everything the demo shows, and the models it shows it with."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.augment.plan import Plan, usual
from generative.repair import Repairer
from generative.synthesis import Synthesizer, SyntheticPerson
from recog.embedding import Embedder

NAMES = ("Ada", "Bo", "Cleo", "Dag", "Edda", "Finn", "Gita", "Hugo", "Ines", "Jun", "Kaya", "Levi")
CANDIDATES = 3  # faces drawn for each one kept
ALIKE = 0.5  # cosine that no two people of a cast exceed


@dataclass(frozen=True, kw_only=True)
class DemoPlan:
    """How much of everything; `quick` is for tests and impatient people."""

    people: int = len(NAMES)
    enroll_photos: int = 3
    unseen_photos: int = 3
    strangers: int = 12
    calibration_people: int = 100  # one photo each
    fpir: float = 0.05  # few people calibrate: 1 % of 100 would be the very best of them
    repairs: int = 6  # faces, each damaged in all ways
    seed: int = 0
    augment: Plan = field(
        default_factory=lambda: Plan(
            people=24,
            photos=3,
            seeds=2,
            arms=usual(photos=8),
            train={
                "total_kimg": 5.0,
                "batch_size": 64,
                "backbone": "resnet10t",
                "backbone_options": {"channels": (16, 32, 64, 128)},
            },
        )
    )
    pool: int = 40  # made-up people whose photos the arms are drawn from
    exam_people: int = 30

    @classmethod
    def quick(cls, seed: int = 0) -> DemoPlan:
        """A minute instead of six: enough to see that everything runs."""
        tiny = Plan(
            people=6,
            photos=2,
            seeds=2,
            arms=usual(photos=3),
            train={
                "total_kimg": 0.32,
                "batch_size": 32,
                "backbone": "resnet10t",
                "backbone_options": {"channels": (8, 8, 16, 16)},
            },
        )
        return cls(
            people=4,
            strangers=4,
            calibration_people=20,
            fpir=0.05,
            repairs=2,
            seed=seed,
            augment=tiny,
            pool=8,
            exam_people=8,
        )


@dataclass(frozen=True, eq=False)
class Studio:
    """The bundled models."""

    embedder: Embedder
    synthesizer: Synthesizer
    repairer: Repairer
    device: str
    vae: Synthesizer | None = None  # draws the same people another way

    @classmethod
    def open(cls, device: str = "auto") -> Studio:
        """Load the weights of this package. Raises: ModelNotFound: they are not installed."""
        embedder = Embedder.load("bundled", device=device)
        synthesizer = Synthesizer.load("bundled-gan", embedder, device=device)
        vae = Synthesizer.load("bundled-vae", embedder, device=device)
        return cls(embedder, synthesizer, Repairer.load("bundled", device=device), device, vae)

    def people(self, count: int, photos: int, seed: int) -> list[SyntheticPerson]:
        """People who do not exist."""
        return self.synthesizer.new_people(count, photos, seed, max_similarity=ALIKE, candidates=CANDIDATES)
