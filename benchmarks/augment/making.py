"""What a plan works with, and the made-up faces that its arms learn from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.augment.drawing import Rows, draw
from benchmarks.augment.makers import Makers
from benchmarks.augment.plan import CLOSED, OPEN, Kind, Plan
from benchmarks.exams import Exam
from benchmarks.rows import FIGURES, plan_hash
from generative.augmenting import NEW, SAME, Maker, Synthesis, sized
from generative.grids import sheet
from generative.recombining import WAYS
from recog.checkpoints import write_atomically
from recog.embedding import Embedder
from recog.errors import DataError
from recog.training import CropSet

SHOWN = 6  # people, and photos of each, on a sheet


@dataclass(frozen=True, kw_only=True)
class Material:
    """The faces that a plan works with."""

    name: str  # what reports call the users' photos
    user: CropSet  # from which N people x K photos are drawn, at the size that is trained
    native: CropSet  # the same crops as generators of the open regime take them
    exams: tuple[Exam, ...]  # of people who are not in `user`
    start: Embedder | None = None  # from whose weights every arm learns; None: from random ones
    makers: Makers | None = None
    made_by: Mapping[Kind, str] = field(default_factory=dict)  # digests

    def maker(self, kind: Kind, chosen: Rows, seed: int) -> tuple[Maker, CropSet]:
        """Who makes the faces for a draw, and the draw as they take it."""
        assert self.makers is not None, "checked when the bench was made"
        real = (self.user if kind.regime == CLOSED else self.native).subset(chosen)
        return self.makers(kind, real, seed), real


@dataclass(frozen=True, eq=False)
class MadeUp:
    """Made-up faces, and who had a say in them."""

    crops: CropSet
    networks: Mapping[str, str]


class Faces:
    """The real people of each seed, and what is made up for an arm."""

    def __init__(self, plan: Plan, material: Material) -> None:
        self.plan, self.material = plan, material
        self._made: dict[tuple[int, Kind, Synthesis], MadeUp] = {}

    def draw(self, seed: int) -> Rows:
        """Rows of the N people x K photos. Raises: DataError: people are too few."""
        spare = 1 if self.plan.own else 0
        return draw(self.material.user, self.plan.people, self.plan.photos, seed, spare)

    def of(self, arm: str, seed: int) -> MadeUp | None:
        """What an arm's synthesis makes, if it has one; arms that ask for the same get the same.

        Raises: DataError: people are lost, or new people have names of real ones.
        """
        kind, synthesis = self.plan.kind(arm), self.plan.arms[arm].synthesis
        if kind is None or synthesis is None:
            return None
        key = (seed, kind, dataclasses.replace(synthesis, share=1.0, first=0.0))
        if key not in self._made:
            others = {k: v for k, v in self._made.items() if k[0] == seed}
            self._made = others | {key: self._made_up(kind, synthesis, seed)}
        return self._made[key]

    def _made_up(self, kind: Kind, synthesis: Synthesis, seed: int) -> MadeUp:
        maker, real = self.material.maker(kind, self.draw(seed), seed)
        made = sized(maker(real, synthesis, seed), self.material.user.images.shape[1])
        if synthesis.of == SAME:
            lost = set(real.identities) ^ set(made.identities)
            if lost:
                raise DataError(
                    f"{len(lost)} people have only real or only made-up photos, as {min(lost)!r}: arms would "
                    "differ in their number of classes. Loosen the curation."
                )
        elif both := set(real.identities) & set(made.identities):
            raise DataError(f"{min(both)!r} is a real person and the name of a new one. Rename the folder.")
        return MadeUp(made, dict(maker.networks))

    def shown(self, arm: str, seed: int, out: Path) -> dict[str, str]:
        """A sheet of those whom an arm learns from, kept in `out`: its caption by file.

        Nobody who exists is shown, nor anything that was made of the user's photos: then there is no sheet.

        Raises: WriteFailed.
        """
        kind, synthesis, made = self.plan.kind(arm), self.plan.arms[arm].synthesis, self.of(arm, seed)
        if kind is None or synthesis is None or made is None:
            return {}
        if kind.regime != OPEN or kind.maker in WAYS or synthesis.of != NEW:
            return {}
        asked = dataclasses.asdict(dataclasses.replace(synthesis, share=1.0, first=0.0))
        file = f"{FIGURES}/learned-{plan_hash({**asked, **made.networks})}.png"
        if not (out / file).is_file():
            crops = made.crops
            rows = [list(crops.images[crops.labels == code][:SHOWN]) for code in range(SHOWN)]
            write_atomically(out / file, sheet([row for row in rows if row]))
        return {file: f"{arm}: some of those who are learned from beside real photos. Nobody of them exists."}
