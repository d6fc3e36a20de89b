from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from generative.data import FaceData
from generative.grids import FRAME
from generative.models.repairer import UNet
from generative.synthesis import Synthesizer
from generative.training import train
from recog import checkpoints
from recog.alignment import AlignedCrops
from recog.cli import main
from recog.embedding import Embedder
from recog.training.data import CropSet
from tests.generative.stand_ins import config, objective


@pytest.fixture
def workplace(
    faces: FaceData, crops: CropSet, embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Crops, a trained generator and a repairer; every embedder is the fake one."""
    monkeypatch.setattr(Embedder, "load", lambda *_, **__: embedder)
    monkeypatch.chdir(tmp_path)
    for file, image in zip(crops.files, crops.images, strict=True):
        (tmp_path / "crops" / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "crops" / file)
    train(config("gan", total_kimg=0.008), faces, objective("gan", faces, embedder), tmp_path / "gan", "cpu")
    tensors = {f"network.{name}": value for name, value in UNet((4, 8)).state_dict().items()}
    settings = {"network": {"widths": [4, 8]}}
    checkpoints.save(tmp_path / "repairer.safetensors", kind="repairer", config=settings, tensors=tensors)
    return tmp_path


def recog(line: str) -> Result:
    return CliRunner().invoke(main, line.split())


def test_people_are_written_and_told_as_json(workplace: Path) -> None:
    result = recog(
        "generate people --count 2 --photos 3 --max-similarity 0.9 --generator gan --out cast --json"
    )
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["photos"] for row in rows] == [3, 3]
    assert len(list((workplace / "cast").glob("*/*.png"))) == 6


def test_grid_shows_a_person_a_row(workplace: Path) -> None:
    line = "generate people --count 2 --photos 3 --max-similarity 0.9 --generator gan --out cast --grid g.png"
    assert recog(line).exit_code == 0
    first = np.asarray(Image.open(next(iter(sorted((workplace / "cast").glob("*/0000.png"))))))
    side = len(first)
    grid = np.asarray(Image.open(workplace / "g.png"))
    assert grid.shape == (2 * (side + 2 * FRAME), 3 * (side + 2 * FRAME), 3)
    assert np.array_equal(grid[FRAME : side + FRAME, FRAME : side + FRAME], first)


def test_people_can_be_mixed_from_real_ones(workplace: Path) -> None:
    result = recog(
        "generate people --count 1 --photos 1 --max-similarity 0.99 --generator gan --data crops --out c"
    )
    assert result.exit_code == 0, result.output
    assert json.loads((workplace / "c" / "manifest.jsonl").read_text())["source"] == "mixed"


def test_faces_of_a_person_name_what_failed(workplace: Path) -> None:
    result = recog(
        "generate faces crops/p0/0.png absent.png --name p0 --aligned --count 2 --generator gan --out made"
    )
    assert result.exit_code == 3, result.output
    assert "absent.png" in result.stderr
    assert len(list((workplace / "made" / "p0").glob("*.png"))) == 2


def test_faces_of_a_folder_of_people(workplace: Path) -> None:
    result = recog("generate faces --from crops --aligned --count 1 --generator gan --out made")
    assert result.exit_code == 0, result.output
    assert len(list((workplace / "made").glob("*/*.png"))) == 10


def test_one_detector_serves_all_people(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []

    def load(device: str) -> AlignedCrops:
        loaded.append(device)
        return AlignedCrops()

    monkeypatch.setattr("generative.cli.faces.load_detector", load)
    line = "generate faces --from crops --count 1 --generator gan --device cpu --out made"
    assert recog(line).exit_code == 0
    assert loaded == ["cpu"]


@pytest.mark.parametrize(
    "line",
    [
        "generate faces --out made",
        "generate faces a.png --out made",
        "generate train gan --data crops --out runs --role fit",
        "generate train gan --data crops --data others --out runs",
        "generate train reader --data crops --out runs",
        "generate faces --like ada --from crops --out made",
        "generate edit crops/p0/0.png --out edited",
    ],
)
def test_wrong_usage_is_2(workplace: Path, line: str) -> None:
    assert recog(line).exit_code == 2


def test_settings_are_refused_before_crops_are_read() -> None:
    result = recog("generate train gan --data nowhere --out run --identity-every 0")
    assert result.exit_code == 4
    assert "identity_every is 0; give 1 or more" in result.stderr


@pytest.mark.parametrize("kind", ["gan", "dcgan", "vae", "vae-gan", "repairer"])
def test_networks_are_trained_from_the_command_line(workplace: Path, kind: str) -> None:
    (workplace / "roles.csv").write_text("identity,role\np0,fit\np1,fit\np2,user\n")
    chosen = "--data crops --roles roles.csv --role fit --out run"
    result = recog(f"generate train {kind} {chosen} --total-kimg 0.008 --batch-size 4 --image-size 16 --json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["faces"] == 8
    assert (workplace / "run" / "final.safetensors").is_file()


def test_repair_of_a_crop_keeps_known_pixels(workplace: Path) -> None:
    mask = np.zeros((16, 16), np.uint8)
    mask[4:8, 4:8] = 255
    Image.fromarray(mask).save(workplace / "mask.png")
    chosen = "--aligned --mask mask.png --weights repairer.safetensors --out fixed"
    result = recog(f"repair crops/p0/0.png absent.png {chosen}")
    assert result.exit_code == 3, result.output
    assert result.stderr.count("absent.png") == 1
    before, after = (np.asarray(Image.open(workplace / p)) for p in ("crops/p0/0.png", "fixed/0.png"))
    assert np.array_equal(before[mask == 0], after[mask == 0])
    assert not np.array_equal(before, after)


def test_a_photo_without_a_face_fails(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Blind:
        def detect(self, image: np.ndarray) -> list[object]:
            return []

    monkeypatch.setattr("generative.cli.photos.load_detector", lambda device: Blind())
    result = recog("repair crops/p0/0.png --weights repairer.safetensors --out fixed")
    assert result.exit_code == 4
    assert "no face" in result.stderr


def test_every_command_shows_an_example() -> None:
    for command in ("generate", "generate train", "generate faces", "generate people", "repair"):
        result = recog(f"{command} --help")
        assert result.exit_code == 0, result.output
        assert "recog " in result.output.partition("Example")[2]


def test_the_command_line_loads_without_torch() -> None:
    code = "import sys, generative.cli; sys.exit('torch' in sys.modules or 'cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_package_loads_its_classes_when_asked() -> None:
    import generative

    assert generative.Repairer.__name__ == "Repairer"
    assert generative.Synthesizer.__name__ == "Synthesizer"
    with pytest.raises(AttributeError):
        _ = generative.Nothing  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["../outside", "a/b", ".."])
def test_names_cannot_leave_the_folder(workplace: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Synthesizer, "load", lambda *_: pytest.fail("found out too late"))
    line = f"generate faces crops/p0/0.png --name {name} --aligned --count 1 --generator gan --out made"
    assert recog(line).exit_code == 4
    assert not (workplace / "made").exists()
    assert not (workplace / "outside").exists()


def test_old_and_new_photos_do_not_mix(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "generate people --count 1 --photos 1 --max-similarity 0.9 --generator gan --out cast"
    assert recog(line).exit_code == 0
    monkeypatch.setattr(Synthesizer, "load", lambda *_: pytest.fail("found out too late"))
    for again in (line, "generate faces crops/p0/0.png --name p0 --aligned --generator gan --out cast"):
        result = recog(again)
        assert result.exit_code == 4
        assert "not empty" in result.stderr


def test_repair_never_overwrites_its_input(workplace: Path) -> None:
    photo = workplace / "photo.png"
    Image.fromarray(np.full((16, 16, 3), 90, np.uint8)).save(photo)
    before = photo.read_bytes()
    assert recog("repair photo.png --aligned --weights repairer.safetensors --out .").exit_code == 0
    assert photo.read_bytes() == before
    assert (workplace / "photo-2.png").is_file()
