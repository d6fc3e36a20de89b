"""The judges together: how they are trained, and what they say of faces."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.judging.halves import JUDGES, write_half, write_halves
from benchmarks.judging.looks import SIDE, Looks, LooksObjective
from generative import presets
from generative.data import FaceData, open_read_faces
from generative.reading import AttributeReader
from generative.training import train as run_training
from recog.alignment import TEMPLATE_SIZE
from recog.checkpoints import FINAL
from recog.embedding import Embedder
from recog.errors import ModelNotFound
from recog.pixels import from_uint8, resized
from recog.training import TrainConfig, open_crops, train

BUNDLED = Path(__file__).parent / "weights"
FILES = ("judge-b.safetensors", "judge-reader.safetensors", "judge-looks.safetensors")
BATCH = 64  # faces a forward pass
RECOGNISER = TrainConfig(
    backbone="resnet18",
    backbone_options={"channels": [32, 64, 128, 192]},
    total_kimg=600.0,
    ema_halflife_kimg=10.0,
)
READER_KIMG, LOOKS_KIMG = 600.0, 300.0
READER_WIDTHS = (24, 40, 72, 104)  # the maker's reader is another


@dataclass(frozen=True, eq=False)
class Judges:
    """Who judges synthetic faces."""

    recogniser: Embedder  # B
    reader: AttributeReader
    looks: Looks

    @classmethod
    def load(cls, folder: Path | None = None, device: str = "auto") -> Judges:
        """Those of this package, or those that `train_judges` left in a folder.

        Raises: ModelNotFound; CheckpointError; DeviceUnavailable.
        """
        recogniser, reader, looks = files = [(folder or BUNDLED) / name for name in FILES]
        if not all(file.is_file() for file in files):
            raise ModelNotFound(
                f"{folder or 'This package'}: no judges here ({', '.join(FILES)}). Train them with "
                "recog bench judges, and name their folder (--judges)."
            )
        return cls(
            Embedder.load(recogniser, device),
            AttributeReader.load(reader, device),
            Looks.load(looks, device),
        )

    @property
    def digests(self) -> dict[str, str]:
        """Which judges these are."""
        return {
            "recogniser": self.recogniser.digest,
            "reader": self.reader.digest,
            "looks": self.looks.digest,
        }

    def vectors(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, D) unit vectors by recogniser B."""
        return self.recogniser.embed(crops)

    def features(self, crops: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """What fidelity is measured in: B's last maps averaged over the face, and codes of looks; (N, F)."""
        return {"recogniser B": self._maps(crops), "autoencoder": self.looks.codes(crops)}

    @torch.inference_mode()
    def _maps(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        embedder = self.recogniser
        backbone = embedder.network.get_submodule("backbone")
        device = next(backbone.parameters()).device
        found = []
        for at in range(0, len(crops), BATCH):
            images = resized(from_uint8(crops[at : at + BATCH], device), embedder.image_size)
            found.append(backbone(images).float().mean(dim=(2, 3)).cpu().numpy())
        return np.concatenate(found)


def train_judges(
    out: Path,
    data: Path,
    roles: Path,
    role: str,
    attributes: Path,
    others: tuple[tuple[Path, Path], ...] = (),
    device: str = "auto",
) -> list[Path]:
    """Train the judges on their half; called again, goes on where it was.

    Args:
        data, roles, role: aligned crops and which identities to halve.
        attributes: CSV of the crops' attributes.
        others: further folders with a CSV each, for attributes and ages; their files are halved by name.
    Returns: the weights, in the order of `FILES`.
    """
    halves = write_halves(roles, role, out / "halves.csv")
    crops = open_crops(data, size=TEMPLATE_SIZE, roles=halves, role=JUDGES)
    train(RECOGNISER, crops, run_dir=out / "judge-b", device=device).save(out / FILES[0], dtype=torch.float16)

    sources = [(data, write_half(attributes, JUDGES, out / "attributes.csv", roles=roles, role=role))]
    for number, (folder, table) in enumerate(others):
        sources.append((folder, write_half(table, JUDGES, out / f"others-{number}.csv")))
    faces = open_read_faces(sources, size=SIDE)
    pace = presets.pace("reader", total_kimg=READER_KIMG, seed=1)
    settings = presets.settings("reader", widths=READER_WIDTHS, even_handed=True)
    run_training(pace, faces, presets.objective(pace, faces, None, settings), out / "judge-reader", device)

    faces = FaceData.plain(open_crops(data, size=SIDE, roles=halves, role=JUDGES))
    pace = presets.pace("reader", total_kimg=LOOKS_KIMG, balanced_share=0.0, seed=2)
    torch.manual_seed(pace.seed)
    run_training(pace, faces, LooksObjective(), out / "judge-looks", device)
    shutil.copyfile(out / Path(FILES[1]).stem / FINAL, out / FILES[1])
    Looks.pack(out / Path(FILES[2]).stem / FINAL, out / FILES[2])
    return [out / name for name in FILES]
