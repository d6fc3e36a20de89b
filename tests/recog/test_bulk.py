"""Enrollment of many: the same as one by one, in batches that a kill cannot halve, and never far ahead."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from generative.synthesis import Synthesizer
from recog import bulk, photos
from recog.bulk import CAUSES
from recog.detection import Detector
from recog.embedding import Embedder
from recog.errors import FaceError
from recog.gallery import Gallery
from recog.recognizer import Recognizer
from recog.types import Enrollment, Face, Failure
from recog.workers import count
from tests.conftest import ColourEmbedder, PatchDetector, paint

Photo = Callable[..., Path]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 2)
    monkeypatch.setattr(bulk, "BATCH", 4)


def stored(gallery: Gallery) -> dict[str, set[tuple[object, ...]]]:
    """What a gallery holds, less order and times."""
    return {
        name: {(t.photo_digest, t.quality, t.how, *t.embedding.tolist()) for t in templates}
        for name, templates in gallery.everyone().items()
    }


@pytest.fixture
def folder(photo: Photo, tmp_path: Path) -> Path:
    """Three people: photos that can be used, copies, and what cannot be used for one reason each."""
    for i in range(7):
        photo(f"people/ada/{i}.png", 10 + i)
    photo("people/ada/copy.png", 10)
    photo("people/bob/a crowd.png", 50, 60)
    photo("people/bob/b nobody.png")
    photo("people/bob/c fine.png", 70)
    photo("people/carol/1.png", 88)
    photo("people/carol/of ada.png", 10)
    (tmp_path / "people/carol/cut short.png").write_bytes(b"\x89PNG")
    return tmp_path / "people"


def one_by_one(recognizer: Recognizer, folder: Path, **how: object) -> list[Enrollment]:
    return [recognizer.enroll(name, files, **how) for name, files in photos.of_people(folder).items()]  # type: ignore[arg-type]


@pytest.mark.parametrize("how", [{}, {"largest": True}, {"min_quality": 0.7}], ids=str)
@pytest.mark.parametrize("batch", [1, 4, 256])
def test_the_same_as_one_by_one(
    recognizer: Recognizer,
    embedder: ColourEmbedder,
    folder: Path,
    how: dict[str, bool],
    batch: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bulk, "BATCH", batch)
    with Recognizer.open(embedder=embedder, detector=PatchDetector()) as other:
        expected = one_by_one(other, folder, **how)
        results = list(recognizer.enroll_all(photos.in_folders(folder), **how))
        facts = [[(r.identity, r.added, r.skipped, r.failed) for r in rs] for rs in (results, expected)]
        assert facts[0] == facts[1]
        assert stored(recognizer.gallery) == stored(other.gallery)
    again = list(recognizer.enroll_all(photos.in_folders(folder), **how))
    assert [(r.added, r.skipped, r.failed) for r in again] == [
        (0, r.added + r.skipped, r.failed) for r in expected
    ]


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of three people who do not exist, of two sizes."""
    folder = tmp_path_factory.mktemp("faces")
    generator = Synthesizer.load("bundled-gan", Embedder.load("bundled", device="cpu"), device="cpu")
    for number, person in enumerate(generator.new_people(3, 3, seed=2, candidates=4)):
        (folder / f"person {number}").mkdir()
        for index, crop in enumerate(person.images):
            wall = Image.new("RGB", (320 + 40 * index, 320), (128, 120, 112))
            wall.paste(Image.fromarray(crop).resize((192, 192), Image.Resampling.BICUBIC), (64, 64))
            wall.save(folder / f"person {number}" / f"{index}.png")
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch computes on one thread, as bulk enrollment does: with two, boxes differ in their last digits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_real_models_give_the_same_vectors_as_one_by_one(faces: Path) -> None:
    models = {"embedder": Embedder.load("bundled", device="cpu"), "detector": Detector("cpu")}
    with Recognizer.open(**models) as one, Recognizer.open(**models) as other:  # type: ignore[arg-type]
        expected = one_by_one(one, faces)
        assert sum(result.added for result in expected) >= 6
        results = list(other.enroll_all(photos.in_folders(faces)))
        assert [(r.identity, r.added, r.failed) for r in results] == [
            (r.identity, r.added, r.failed) for r in expected
        ]
        for name, templates in one.gallery.everyone().items():
            for mine, theirs in zip(templates, other.gallery.templates(name), strict=True):
                assert mine.photo_digest == theirs.photo_digest
                np.testing.assert_allclose(theirs.embedding, mine.embedding, atol=1e-5)
                assert theirs.quality == pytest.approx(mine.quality, abs=2e-4)


def test_failures_are_told_with_their_cause(recognizer: Recognizer, folder: Path, photo: Photo) -> None:
    photo("people/no\nname/1.png", 5)
    told: list[Failure] = []
    results = list(recognizer.enroll_all(photos.in_folders(folder), min_quality=0.2, on_failure=told.append))
    causes = {(Path(failure.photo).name, failure.cause) for failure in told}
    assert causes == {
        ("a crowd.png", "several faces"),
        ("b nobody.png", "no face"),
        ("cut short.png", "unreadable"),
        ("1.png", "no valid name"),
    }
    assert [r.identity for r in results] == ["ada", "bob", "carol", "no\nname"]
    assert [(f.photo, f.message) for f in told if f.identity == "bob"] == list(results[1].failed)
    told.clear()
    list(
        recognizer.enroll_all([("eve", paint(10, 80))], min_quality=1.0, largest=True, on_failure=told.append)
    )
    assert [failure.cause for failure in told] == ["poor quality"]


def test_every_error_of_a_face_has_a_cause() -> None:
    assert {FaceError, *FaceError.__subclasses__()} <= set(CAUSES)


@pytest.mark.usefixtures("small_batches")
def test_people_who_look_alike_are_told_whether_new_or_not(
    recognizer: Recognizer, caplog: pytest.LogCaptureFixture
) -> None:
    recognizer.enroll("old", paint(0))
    entries = [("ada", paint(5)), ("ada", paint(6)), ("far", paint(80)), ("bob", paint(7)), ("bob", paint(8))]
    ada, far, bob = recognizer.enroll_all(entries)
    assert [c.identity for c in ada.resembles] == ["bob", "old"]
    assert [c.identity for c in bob.resembles] == ["ada", "old"]
    assert bob.resembles[0].similarity > bob.resembles[1].similarity > 0.95
    assert far.resembles == ()
    assert caplog.text.count("bob looks like ada") == 1


def test_one_photo_under_two_names_is_told(recognizer: Recognizer, caplog: pytest.LogCaptureFixture) -> None:
    results = list(recognizer.enroll_all([("ada", paint(0)), ("ada", paint(0)), ("bob", paint(0))]))
    assert [(r.added, r.skipped) for r in results] == [(1, 1), (1, 0)]
    assert caplog.text.count("also enrolled as ada") == 1


@pytest.mark.usefixtures("small_batches")
def test_names_in_two_spellings_are_one_person(recognizer: Recognizer) -> None:
    entries = [("Zoe\u0308", paint(1)), (" Zo\u00eb", paint(2))]
    (result,) = recognizer.enroll_all(entries)
    assert (result.identity, result.added) == ("Zo\u00eb", 2)


class Watched(PatchDetector):
    """Counts how many threads are inside at once."""

    def __init__(self, thread_safe: bool) -> None:
        self.thread_safe = thread_safe
        self.inside = self.most = 0
        self.counting = threading.Lock()

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        with self.counting:
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(0.01)
        with self.counting:
            self.inside -= 1
        return super().detect(image)


@pytest.mark.parametrize("thread_safe", [True, False])
def test_only_detectors_that_may_are_called_side_by_side(
    embedder: ColourEmbedder, thread_safe: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recog.workers.count", lambda: 4)
    detector = Watched(thread_safe)
    with Recognizer.open(embedder=embedder, detector=detector) as recognizer:
        list(recognizer.enroll_all([("ada", paint(angle)) for angle in range(40)]))
    assert (detector.most > 1) == thread_safe


def test_photos_are_not_read_far_ahead_of_who_takes_the_results(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 2)
    monkeypatch.setattr(bulk, "BATCH", 4)
    monkeypatch.setattr(bulk, "AHEAD", 3)
    taken = 0

    def endless() -> Iterator[tuple[str, NDArray[np.uint8]]]:
        nonlocal taken
        while True:
            taken += 1
            yield f"person {taken}", paint(taken % 90)

    results = recognizer.enroll_all(endless())
    assert taken == 0
    for number in range(1, 20):
        assert next(results).identity == f"person {number}"
        time.sleep(0.01)
        # up to a batch that is stored, one of which all but the last are handed out, and what is under way
        assert taken <= number + 2 * 4 + 2 * count() + 3 * count()
    results.close()


def test_photos_do_not_outlive_their_first_step(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "AHEAD", 2)
    images: list[weakref.ref[NDArray[np.uint8]]] = []
    most = 0

    def entries() -> Iterator[tuple[str, NDArray[np.uint8]]]:
        nonlocal most
        for angle in range(80):  # less than a batch: nothing is stored before the end
            image = paint(angle) if angle % 2 else paint()  # every other one shows nobody
            images.append(weakref.ref(image))
            most = max(most, sum(image() is not None for image in images))
            yield "ada", image

    (result,) = recognizer.enroll_all(entries())
    assert (result.added, len(result.failed)) == (40, 40)
    assert most <= 3 * count() + 2  # waiting and under way


@pytest.mark.usefixtures("small_batches")
def test_who_stops_early_keeps_what_is_stored_and_goes_on_later(
    recognizer: Recognizer, embedder: ColourEmbedder
) -> None:
    entries = [(f"person {i // 3}", paint(4 * i)) for i in range(20)]
    results = recognizer.enroll_all(entries)
    next(results)
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("recog")]
    assert 3 <= recognizer.gallery.size()[1] < 20
    assert recognizer.gallery.size()[1] % 4 == 0  # whole batches
    list(recognizer.enroll_all(entries))
    with Recognizer.open(embedder=embedder, detector=PatchDetector()) as other:
        list(other.enroll_all(entries))
        assert stored(recognizer.gallery) == stored(other.gallery)


@pytest.mark.usefixtures("small_batches")
def test_an_unexpected_error_in_a_thread_ends_it_all_but_what_is_stored(
    gallery_path: Path, embedder: ColourEmbedder
) -> None:
    class Broken(PatchDetector):
        def detect(self, image: NDArray[np.uint8]) -> list[Face]:
            if (image[0, 0] == paint(60)[0, 0]).all():
                raise ValueError("a bug")
            return super().detect(image)

    entries = [(f"person {i}", paint(5 * i)) for i in range(18)]
    with Recognizer.open(gallery_path, embedder=embedder, detector=Broken()) as recognizer:
        with pytest.raises(ValueError, match="a bug"):
            list(recognizer.enroll_all(entries))
        assert recognizer.gallery.size() == (8, 8)  # the batches before photo 12 that were complete
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("recog")]


def test_photos_that_are_there_are_not_decoded(
    recognizer: Recognizer, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    entries = [entry for entry in photos.in_folders(folder) if entry[0] == "ada"]
    list(recognizer.enroll_all(entries))
    caplog.set_level(logging.WARNING)
    caplog.clear()
    monkeypatch.setattr("recog.images.read", lambda photo: pytest.fail(f"{photo} was decoded"))
    (again,) = recognizer.enroll_all(entries)
    assert (again.added, again.skipped, again.failed) == (0, 8, ())
    assert not caplog.records
