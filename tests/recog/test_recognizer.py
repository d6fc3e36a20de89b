"""The pipeline on painted faces: no weights, cosines known in advance."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recog.alignment import AlignedCrops
from recog.errors import (
    ConfigError,
    GalleryError,
    ModelMismatch,
    NoFaceFound,
    SeveralFaces,
    TooFewPairs,
    UnknownIdentity,
)
from recog.gallery import Gallery
from recog.recognizer import Recognizer
from recog.records import Model
from tests.conftest import ColourEmbedder, PatchDetector, paint

Photo = Callable[..., Path]


def cosine(degrees: float) -> float:
    return math.cos(math.radians(degrees))


def test_query_names_the_nearest_person_with_the_cosine(recognizer: Recognizer, photo: Photo) -> None:
    recognizer.enroll("ada", [photo("ada.png", 10)])
    recognizer.enroll("bob", [photo("bob.png", 80)])
    (answer,) = recognizer.query(photo("probe.png", 15), k=2, threshold=0.9)
    assert (answer.status, answer.identity) == ("match", "ada")
    assert [c.identity for c in answer.candidates] == ["ada", "bob"]
    assert [c.similarity for c in answer.candidates] == pytest.approx([cosine(5), cosine(65)], abs=0.01)
    assert answer.box == (0, 0, 64, 64)


def test_a_stranger_is_unknown_but_the_nearest_is_told(recognizer: Recognizer, photo: Photo) -> None:
    recognizer.enroll("ada", [photo("ada.png", 0)])
    (answer,) = recognizer.query(photo("probe.png", 45))
    assert (answer.status, answer.identity, answer.threshold) == ("unknown", None, 0.95)
    assert answer.candidates[0].identity == "ada"


def test_query_answers_once_a_face_and_for_photos_without(recognizer: Recognizer, photo: Photo) -> None:
    recognizer.enroll("ada", [photo("ada.png", 0)])
    statuses = [answer.status for answer in recognizer.query(photo("two.png", 0, 90))]
    assert statuses == ["match", "unknown"]
    assert [a.status for a in recognizer.query(photo("none.png"))] == ["no_face"]
    (error,) = recognizer.query("missing.jpg")
    assert error.status == "error"
    assert "no such file" in str(error.error)


def test_a_person_is_as_near_as_the_best_template_and_the_centre(
    recognizer: Recognizer, photo: Photo
) -> None:
    recognizer.enroll("ada", [photo("a1.png", 0), photo("a2.png", 40)])
    (answer,) = recognizer.query(photo("probe.png", 40))
    assert [c.identity for c in answer.candidates] == ["ada"]
    assert answer.similarity == pytest.approx((1 + np.cos(np.radians(20))) / 2, abs=1e-3)


def test_enroll_reports_what_it_could_not_use(recognizer: Recognizer, photo: Photo) -> None:
    good, crowd, empty = photo("good.png", 10), photo("crowd.png", 10, 20), photo("empty.png")
    result = recognizer.enroll("ada", [good, crowd, empty, "missing.jpg"])
    assert (result.added, result.skipped) == (1, 0)
    reasons = dict(result.failed)
    assert "2 faces" in reasons[str(crowd)]
    assert "no face" in reasons[str(empty)]
    assert "no such file" in reasons["missing.jpg"]


def test_enrolling_again_skips_known_photos(recognizer: Recognizer, photo: Photo) -> None:
    first = photo("a.png", 10)
    recognizer.enroll("ada", [first])
    result = recognizer.enroll("ada", [first, photo("b.png", 12), photo("same-as-b.png", 12)])
    assert (result.added, result.skipped) == (1, 2)


def test_enroll_takes_the_largest_face_when_told(recognizer: Recognizer, photo: Photo) -> None:
    assert recognizer.enroll("ada", photo("crowd.png", 10, 80), largest=True).added == 1


def test_nobody_usable_creates_nobody(recognizer: Recognizer) -> None:
    recognizer.enroll("ada", ["missing.jpg"])
    assert recognizer.list() == []


def test_verify_compares_two_photos(recognizer: Recognizer) -> None:
    result = recognizer.verify(paint(0), paint(30))
    assert (result.same, result.threshold) == (False, 0.9)
    assert result.similarity == pytest.approx(cosine(30), abs=0.01)
    assert recognizer.verify(paint(0), paint(30), threshold=0.8).same


def test_verify_wants_one_face(recognizer: Recognizer) -> None:
    with pytest.raises(SeveralFaces, match="2 faces"):
        recognizer.verify(paint(0, 10), paint(0))
    with pytest.raises(NoFaceFound):
        recognizer.verify(paint(), paint(0))
    assert recognizer.verify(paint(0, 10), paint(0), largest=True).same


def test_embed_gives_a_row_a_face(recognizer: Recognizer, photo: Photo) -> None:
    two, empty = photo("two.png", 0, 90), photo("empty.png")
    found = recognizer.embed([two, empty])
    assert found.photo == (str(two), str(two))
    assert found.face.tolist() == [0, 1]
    np.testing.assert_allclose(found.embedding, [[1, 0], [0, 1]], atol=0.01)
    assert [name for name, _ in found.failed] == [str(empty)]
    assert recognizer.embed(two, largest=True).face.tolist() == [0]
    assert recognizer.embed([]).embedding.shape == (0, 2)


def test_aligned_crops_need_no_detector(embedder: ColourEmbedder) -> None:
    with Recognizer.open(embedder=embedder, detector=AlignedCrops()) as recognizer:
        found = recognizer.embed([paint(0), paint(0, 90)])
    np.testing.assert_allclose(found.embedding, [[1, 0]], atol=0.01)
    assert "square" in found.failed[0][1]


def test_repair_comes_before_the_embedder(embedder: ColourEmbedder) -> None:
    def turn_green(crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return crops[..., [1, 0, 2]]

    with Recognizer.open(embedder=embedder, detector=PatchDetector(), repair=turn_green) as recognizer:
        np.testing.assert_allclose(recognizer.embed(paint(0)).embedding, [[0, 1]], atol=0.01)
        recognizer.enroll("ada", paint(0))
        assert recognizer.gallery.templates("ada")[0].how == "repaired"
        assert recognizer.query(paint(0))[0].repaired is True


def test_answers_say_which_faces_a_repair_changed(embedder: ColourEmbedder) -> None:
    def brighten_the_dark(crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.where(crops.max(axis=(1, 2, 3), keepdims=True) < 150, crops + 50, crops).astype(np.uint8)

    with Recognizer.open(embedder=embedder, detector=PatchDetector(), repair=brighten_the_dark) as recognizer:
        recognizer.enroll("ada", paint(0))
        (whole,), (dark,) = (recognizer.query(picture) for picture in (paint(0), paint(0) // 2))
        assert (whole.repaired, dark.repaired) == (False, True)
        assert recognizer.gallery.templates("ada")[0].how == "photo"
    assert Recognizer.open(embedder=embedder, detector=PatchDetector()).query(paint(0))[0].repaired is None


def test_remove_and_rename_change_the_answers(recognizer: Recognizer) -> None:
    recognizer.enroll("ada", paint(0))
    recognizer.rename("ada", "lovelace")
    assert recognizer.query(paint(0))[0].identity == "lovelace"
    recognizer.remove("lovelace")
    (answer,) = recognizer.query(paint(0))
    assert (answer.status, answer.candidates) == ("unknown", ())
    with pytest.raises(UnknownIdentity):
        recognizer.remove("lovelace")


def test_another_model_is_refused(recognizer: Recognizer, gallery_path: Path) -> None:
    recognizer.enroll("ada", paint(0))
    with pytest.raises(ModelMismatch, match="colour"):
        Recognizer.open(gallery_path, embedder=ColourEmbedder("ff" * 32), detector=PatchDetector())


def test_a_missing_gallery_is_not_made_by_asking(gallery_path: Path, embedder: ColourEmbedder) -> None:
    with pytest.raises(GalleryError, match="no gallery"):
        Recognizer.open(gallery_path, embedder=embedder, detector=PatchDetector(), create=False)
    assert not gallery_path.exists()


def test_calibrated_thresholds_replace_the_card(recognizer: Recognizer, photo: Photo, tmp_path: Path) -> None:
    recognizer.enroll("ada", paint(0))
    for i in range(10):  # strangers at 40, 44, ... 76 degrees from ada; neighbours are 4 degrees apart
        photo(f"people/p{i}/1.png", 40 + 4 * i)
    found = recognizer.calibrate(tmp_path / "people", fmr=0.2, fpir=0.2)
    # an eleventh stranger may match in two of eleven cases, so of these ten one may: not the one at 44
    assert cosine(44.5) < found["query"].threshold < cosine(40.5)
    assert recognizer.threshold("query") == found["query"]
    # 8 of 45 pairs may match: neighbours are 4 degrees apart, the next 8
    assert cosine(4.5) < found["verify"].threshold <= cosine(3.5)
    assert recognizer.threshold("verify") == found["verify"]


def test_enrolled_people_are_no_strangers(recognizer: Recognizer, photo: Photo, tmp_path: Path) -> None:
    recognizer.enroll("p0", photo("people/p0/1.png", 0))
    recognizer.enroll("someone", photo("people/p1/1.png", 10))
    for i in range(2, 7):
        photo(f"people/p{i}/1.png", 10 * i)
    found = recognizer.calibrate(tmp_path / "people", fmr=0.2, fpir=0.2)
    assert found["query"].comparisons == 5


def test_calibration_needs_enough_strangers(recognizer: Recognizer, photo: Photo, tmp_path: Path) -> None:
    photo("people/p0/1.png", 0)
    photo("people/p1/1.png", 50)
    with pytest.raises(TooFewPairs, match="1,000"):
        recognizer.calibrate(tmp_path / "people")


def test_without_a_folder_the_card_is_stored(recognizer: Recognizer) -> None:
    found = recognizer.calibrate()
    assert (found["verify"].threshold, found["query"].threshold) == (0.9, 0.95)
    with pytest.raises(GalleryError, match="calibrate FOLDER"):
        recognizer.calibrate(fmr=1e-4)


def test_a_grown_gallery_says_that_its_threshold_is_old(
    recognizer: Recognizer, photo: Photo, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recognizer.enroll("ada", paint(0))
    for i in range(6):
        photo(f"people/p{i}/1.png", 30 + 10 * i)
    recognizer.calibrate(tmp_path / "people", fmr=0.2, fpir=0.2)
    recognizer.query(paint(0))
    assert not caplog.records
    recognizer.enroll("bob", paint(50))
    recognizer.query(paint(0))
    recognizer.query(paint(0))
    assert [record.levelname for record in caplog.records] == ["WARNING"]  # not with each photo
    assert "Run recog calibrate" in caplog.text


def test_the_stored_card_follows_the_gallerys_growth(
    recognizer: Recognizer, caplog: pytest.LogCaptureFixture
) -> None:
    recognizer.embedder.thresholds = {"fmr_1e-3": 0.9, "fpir_1e-2_1": 0.5, "fpir_1e-2_2": 0.6}
    recognizer.enroll("ada", paint(0))
    assert recognizer.calibrate()["query"].threshold == 0.5
    recognizer.enroll("bob", paint(50))
    assert recognizer.threshold("query").threshold == 0.6
    assert "measured at" not in caplog.text
    recognizer.enroll("eve", [paint(85), paint(90)])
    assert recognizer.threshold("query").threshold > 0.6
    assert "measured at up to 2 templates, and there are 4: it is extrapolated" in caplog.text


def test_only_two_purposes_have_thresholds(recognizer: Recognizer) -> None:
    with pytest.raises(ConfigError, match="'identify' has no threshold; give one of verify, query"):
        recognizer.threshold("identify")  # type: ignore[arg-type]


def test_one_photo_under_two_names_is_told(recognizer: Recognizer, caplog: pytest.LogCaptureFixture) -> None:
    recognizer.enroll("ada", paint(0))
    recognizer.enroll("ada", paint(0))
    assert not caplog.records
    recognizer.enroll("bob", paint(0))
    assert "also enrolled as ada" in caplog.text


def test_threads_may_share_it(recognizer: Recognizer) -> None:
    recognizer.enroll("ada", paint(0))
    wrong: list[object] = []

    def work(number: int) -> None:
        try:
            recognizer.enroll(f"person {number}", paint(20 + number))
            if recognizer.query(paint(0))[0].identity != "ada":
                wrong.append(number)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(recognizer.list()) == 9


def test_without_mirror_images_a_face_is_embedded_once(
    gallery_path: Path, embedder: ColourEmbedder, photo: Callable[..., Path]
) -> None:
    asked: list[bool] = []
    original = embedder.embed

    def counting(crops: NDArray[np.uint8], flip: bool = True) -> NDArray[np.float32]:
        asked.append(flip)
        return original(crops, flip)

    embedder.embed = counting  # type: ignore[method-assign]
    path = photo("ada.png", 10)
    for flip, times in ((True, 2), (False, 1)):
        asked.clear()
        with Recognizer.open(None, embedder=embedder, detector=PatchDetector()) as opened:
            seen = opened.faces.see(path, flip=flip)
            assert asked == [False] * times
            vectors = opened.embed(path, flip=flip).embedding
        assert (seen.qualities[0].embedding is not None) == flip
        assert 0 < seen.qualities[0].score <= 1
        assert seen.embeddings[0] == pytest.approx([cosine(10), math.sin(math.radians(10))], abs=0.01)
        assert vectors[0] == pytest.approx(seen.embeddings[0])


def test_where_the_gallery_does_not_know_the_card_tells_the_probability(
    recognizer: Recognizer, photo: Photo, tmp_path: Path, embedder: ColourEmbedder
) -> None:
    assert recognizer.probability(0.5) is None  # neither does
    embedder.odds = [10.0, -5.0]
    assert recognizer.probability(0.5) == pytest.approx(0.5)
    for k in range(8):
        photo(f"strangers/p{k}/0.png", 10 * k)
    recognizer.calibrate(tmp_path / "strangers", fmr=0.1)  # one photo each: no pair of one person
    assert recognizer.threshold("verify").slope is None
    assert recognizer.probability(0.6) == pytest.approx(1 / (1 + math.exp(-1)))


def test_a_gallery_that_was_given_another_model_meanwhile(
    recognizer: Recognizer, photo: Photo, gallery_path: Path
) -> None:
    recognizer.enroll("ada", [photo("ada.png", 10)])
    recognizer.query(photo("probe.png", 15))
    with Gallery(gallery_path) as other:
        (template,) = other.templates("ada")
        other.remove("ada")
        other.add("ada", [template], Model("another", "ee" * 32, len(template.embedding)))
    with pytest.raises(ModelMismatch, match="was enrolled with 'another'"):
        recognizer.query(photo("probe.png", 15))
