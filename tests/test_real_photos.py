"""The pipeline on photographs of real people, with the real detector; skipped where the photos are not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from recog import images
from recog.alignment import TEMPLATE, align, similarity
from recog.catalogue import bundled_path
from recog.cli import main
from recog.detection import Detector
from recog.recognizer import Recognizer

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not (DATA / "photos").is_dir(), reason=f"no real photos at {DATA}")
needs_weights = pytest.mark.skipif(
    not bundled_path().is_file(), reason=f"no bundled weights at {bundled_path()}"
)
GROUP, CLOSE_UP = DATA / "photos" / "group_six.jpg", DATA / "photos" / "portrait_large.jpg"
LFW = DATA / "lfw"


def lfw(name: str, index: int) -> Path:
    """A photo of this person: not all numbers are there, so by place in the folder."""
    return sorted((LFW / "images" / name).iterdir())[index]


def landmarks_of(photos: list[str]) -> Iterator[tuple[str, np.ndarray]]:
    """LFW's published landmarks, in px of the 250x250 photos."""
    with (LFW / "landmarks.txt").open() as file:
        for line in file:
            name, *numbers = line.replace(",", " ").split()
            if Path(name).stem in photos:
                yield Path(name).stem, np.array(numbers, float).reshape(5, 2)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector("cpu")


def test_six_people_are_six_faces(detector: Detector) -> None:
    image = images.read(GROUP)
    faces = detector.detect(image)
    assert len(faces) == 6
    assert [f.area for f in faces] == sorted((f.area for f in faces), reverse=True)
    for face in faces:
        x1, y1, x2, y2 = face.box
        assert 0 <= x1 < x2 <= image.shape[1]
        assert ((face.landmarks > [x1, y1]) & (face.landmarks < [x2, y2])).all()


def test_a_close_up_is_found_even_when_it_fills_the_photo(detector: Detector) -> None:
    image = images.read(CLOSE_UP)
    (face,) = detector.detect(image)
    x1, y1, x2, y2 = (round(v) for v in face.box)
    (again,) = detector.detect(np.ascontiguousarray(image[y1 + 20 : y2 - 20, x1 + 10 : x2 - 10]))
    np.testing.assert_allclose(
        again.landmarks - face.landmarks + np.array([x1 + 10, y1 + 20]), 0, atol=0.03 * (x2 - x1)
    )


def test_size_of_the_photo_does_not_move_the_face(detector: Detector) -> None:
    image = images.read(GROUP)
    large = np.asarray(Image.fromarray(image).resize((image.shape[1] * 3, image.shape[0] * 3)))
    (small_faces, large_faces) = (sorted(detector.detect(i), key=lambda f: f.box[0]) for i in (image, large))
    assert len(large_faces) == 6
    for a, b in zip(small_faces, large_faces, strict=True):
        np.testing.assert_allclose(b.landmarks / 3, a.landmarks, atol=6)


def test_grey_and_turned_photos_still_have_their_faces(detector: Detector) -> None:
    grey = images.read(np.asarray(Image.open(GROUP).convert("L")))
    assert len(detector.detect(grey)) == 6


def test_detected_landmarks_agree_with_the_published_ones(detector: Detector) -> None:
    people = ["George_W_Bush", "Aaron_Eckhart", "Aaron_Guiel", "Serena_Williams", "Junichiro_Koizumi"]
    published = dict(landmarks_of([f"{name}_0001" for name in people]))
    assert len(published) == 5
    for stem, points in published.items():
        image = images.read(lfw(stem.rpartition("_")[0], 0))
        nearest = min(detector.detect(image), key=lambda f: float(np.abs(f.landmarks - points).mean()))
        np.testing.assert_allclose(nearest.landmarks, points, atol=9)
        # on the template the two alignments differ by a few pixels at most
        a, b = (similarity(p, TEMPLATE) for p in (points, nearest.landmarks))
        centre = np.append(points.mean(axis=0), 1)
        np.testing.assert_allclose(a @ centre, b @ centre, atol=4)
        assert align(image, points).std() > 20


@needs_weights
def test_people_are_recognised_from_other_photos(detector: Detector, tmp_path: Path) -> None:
    """The whole way from photo to name: a wrong channel order, frame or alignment would end near chance."""
    folders = [f for f in sorted((LFW / "images").iterdir()) if len(list(f.iterdir())) >= 5][:24]
    probes = [(folder.name, lfw(folder.name, n)) for folder in folders for n in (3, 4)]
    with Recognizer.open(tmp_path / "people.gallery", detector=detector, device="cpu") as recognizer:
        for folder in folders:
            photos = [lfw(folder.name, 0), lfw(folder.name, 1)]
            assert recognizer.enroll(folder.name, photos, largest=True).failed == ()
        right = sum(recognizer.query(photo)[0].candidates[0].identity == name for name, photo in probes)
        assert right >= len(probes) // 2  # chance is 2 of 48; how accurate it is, the benchmarks measure
        assert len(recognizer.query(GROUP)) == 6


@needs_weights
def test_the_command_line_on_real_photos(tmp_path: Path) -> None:
    gallery = ["--gallery", str(tmp_path / "people.gallery"), "--device", "cpu", "--json"]
    run = CliRunner().invoke(main, ["enroll", "powell", str(lfw("Colin_Powell", 0)), "--largest", *gallery])
    assert run.exit_code == 0, run.output
    run = CliRunner().invoke(main, ["query", str(GROUP), str(tmp_path / "missing.jpg"), *gallery])
    assert run.exit_code == 3, run.output
    statuses = [json.loads(line)["status"] for line in run.stdout.splitlines()]
    assert len(statuses) == 7
    assert statuses[-1] == "error"
