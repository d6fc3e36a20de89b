"""What `recog train --synthetic auto` does: the recipe that raised accuracy, near where it was seen to.

It was measured in `benchmarks/results/augment.jsonl` (plan `confirm-250x3.toml`: a small network that began
with random weights, at 64 px); with half or twice as many people or photos it is taken to hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from generative.augmenting import NEW, Synthesis
from generative.folders import PeopleFolder
from generative.synthesis import Synthesizer
from recog.embedding import Embedder
from recog.training import CropSet

PEOPLE, PHOTOS = 250, 3  # that it was measured with
NEAR = 2.0  # times as many or as few
RECIPE = Synthesis(maker="gan", of=NEW, people=1500, photos=6, candidates=1, share=0.7)
GENERATOR, RECOGNISER = "bundled-gan", "bundled"
SUB_FOLDER = "synthetic"  # of a run


@dataclass(frozen=True)
class Advice:
    """What to learn from beside some photos."""

    synthesis: Synthesis | None  # None: nothing
    reason: str


def advised(crops: CropSet) -> Advice:
    """What helped with about so many photos of about so many people."""
    people = len(crops.identities)
    photos = len(crops) / max(people, 1)
    what = f"{people} people with {photos:.1f} photos each"
    if not all(1 / NEAR <= ratio <= NEAR for ratio in (people / PEOPLE, photos / PHOTOS)):
        far = f"that is far from {PEOPLE} people with {PHOTOS}, with whom they were seen to help"
        return Advice(None, f"{what}: made-up faces are left out, as {far}.")
    share = round(100 * RECIPE.share)
    return Advice(RECIPE, f"{what}: {RECIPE.people} made-up people are {share} % of each batch.")


def follow(synthesis: Synthesis, folder: Path, seed: int = 0, device: str = "auto") -> Path:
    """Fill a folder with the people that a recipe asks for; an interrupted call goes on where it was.

    Raises: as `PeopleFolder`, `Synthesizer.strangers`.
    """
    embedder = Embedder.load(RECOGNISER, device)
    synthesizer = Synthesizer.load(GENERATOR, embedder, device)
    call = {
        "command": "people",
        "count": synthesis.people,
        "photos": synthesis.photos,
        "candidates": synthesis.candidates,
        "seed": seed,
    }
    made = PeopleFolder(folder, call, synthesizer)
    sitters = synthesizer.strangers(synthesis.people, seed)
    for _ in made.fill(sitters, synthesis.photos, candidates=synthesis.candidates):
        pass
    return folder
