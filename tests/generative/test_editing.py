from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from generative.conditions import AGE, ATTRIBUTES, Vocabulary
from generative.data import FaceData
from generative.directions import directions
from generative.editing import RETRIES, STRENGTHS, Editor
from generative.models.reader import Reader
from generative.models.vae import VAE
from generative.pasting import CROP, add_change, oval, replace_face
from generative.reading import AttributeReader
from generative.synthesis import Synthesizer
from generative.training import train
from recog.alignment import align, template
from recog.embedding import Embedder
from recog.errors import ConfigError
from recog.training.data import CropSet
from tests.generative.stand_ins import SIZE, config, make_embedder, make_faces, objective

KNOWN = Vocabulary(ATTRIBUTES, ages=True)


def reader() -> AttributeReader:
    torch.manual_seed(3)
    return AttributeReader(Reader(len(KNOWN), (4, 4, 8, 8)), KNOWN, 32, "x", torch.device("cpu"))


@pytest.fixture
def editor(trained: Path, embedder: Embedder) -> Editor:
    return Editor(Synthesizer.load(trained / "vae", embedder, "cpu"), reader())


@pytest.mark.parametrize("method", ["conditional", "latent"])
def test_edits_change_crops_of_any_size_and_asking_for_what_is_there_does_not(
    editor: Editor, faces: FaceData, method: str
) -> None:
    crops = np.asarray(faces.crops.images[:3]).repeat(2, axis=1).repeat(2, axis=2)
    shown = editor.reader.vocabulary.values(editor.reader.read(crops))
    side = float(np.sign(shown["Smiling"][0]))
    other = editor.edited(crops[:1], {"Smiling": -side}, method=method)
    assert other.shape == (1, 2 * SIZE, 2 * SIZE, 3)
    change = editor.changes(crops[:1], {"Smiling": -side}, method=method)
    assert np.abs(change).max() > 0
    once = editor.changes(crops[:1], {"Smiling": -side}, method=method, strength=1.0)
    assert change == pytest.approx(STRENGTHS[method] * once, abs=1e-3)
    doubled = editor.changes(crops[:1], {"Smiling": -side}, method=method, strength=2.0)
    assert doubled == pytest.approx(2 * once, abs=1e-3)
    assert np.abs(editor.changes(crops[:1], {"Smiling": side}, method=method)).max() == 0


def test_what_cannot_be_edited_is_named(editor: Editor, faces: FaceData) -> None:
    crops = np.asarray(faces.crops.images[:1])
    with pytest.raises(ConfigError, match="method is 'magic'"):
        editor.changes(crops, {"Smiling": 1}, method="magic")
    with pytest.raises(ConfigError, match="knows no 'Mood'"):
        editor.changes(crops, {"Mood": 1})


@pytest.mark.parametrize("method", ["conditional", "latent"])
def test_what_follows_is_changed_as_far_as_the_generator_knows_it(
    crops: CropSet, embedder: Embedder, tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = make_faces(crops, embedder, Vocabulary(("Blond_Hair", "Brown_Hair", "Smiling")))
    weights = train(config("vae"), faces, objective("vae", faces, embedder), tmp_path / "vae", "cpu")
    editor = Editor(Synthesizer.load(weights, embedder, "cpu"), reader())
    asked = []
    for name in ("_with", "_direction"):
        plain = getattr(editor, name)
        monkeypatch.setattr(
            editor, name, lambda shown, wanted, plain=plain: asked.append(wanted) or plain(shown, wanted)
        )
    images = np.asarray(crops.images[:2])
    assert np.isfinite(editor.changes(images, {"Blond_Hair": 1.0}, method=method)).all()
    assert asked == [{"Blond_Hair": 1.0, "Brown_Hair": -1.0}]
    with pytest.raises(ConfigError, match="knows no 'Black_Hair'"):
        editor.changes(images, {"Black_Hair": 1.0}, method=method)


def test_a_generator_without_encoder_cannot_edit(trained: Path, embedder: Embedder) -> None:
    with pytest.raises(ConfigError, match="Load a vae or a vae-gan"):
        Editor(Synthesizer.load(trained / "gan", embedder, "cpu"), reader())


def test_replaced_faces_are_the_least_alike_of_several(editor: Editor, faces: FaceData) -> None:
    crops = np.asarray(faces.crops.images[:2])
    new, alike = editor.replaced(crops, seed=1)
    assert new.shape == (2, SIZE, SIZE, 3)
    vectors = editor.synthesizer.embedder.embed(np.concatenate([crops, new]))
    assert alike == pytest.approx((vectors[:2] * vectors[2:]).sum(axis=1), abs=1e-4)
    assert np.array_equal(new, editor.replaced(crops, seed=1)[0])
    assert not np.array_equal(new, editor.replaced(crops, seed=2)[0])
    backwards = editor.replaced(crops[::-1], seed=1)[0]  # whom a face gets does not depend on the others
    assert np.abs(backwards[::-1].astype(int) - new).max() <= 1


class Tries:
    """Stands in for `Editor.replaced`: gives crops (CROP px) in the order of seeds, and counts them."""

    def __init__(self, *faces: np.ndarray) -> None:
        self.faces, self.seeds = faces, []

    def __call__(self, crops: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        self.seeds.append((len(crops), seed))
        face = self.faces[min(len(self.seeds), len(self.faces)) - 1]
        return np.stack([face] * len(crops)), np.zeros(len(crops), np.float32)


def judged(trained: Path, threshold: float) -> Editor:
    """An editor whose embedder's card has this threshold."""
    return Editor(Synthesizer.load(trained / "vae", make_embedder(threshold=threshold), "cpu"), reader())


def on_photo(crops: CropSet, *rows: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """A photo of noise with these faces side by side, 160 px apart, and their landmarks."""
    image = np.random.default_rng(0).integers(0, 255, (200, 40 + 160 * len(rows), 3)).astype(np.uint8)
    landmarks = []
    for place, row in enumerate(rows):
        left = 40 + 160 * place
        face = np.asarray(crops.images[row]).repeat(CROP // SIZE, axis=0).repeat(CROP // SIZE, axis=1)
        image[40 : 40 + CROP, left : left + CROP] = face
        landmarks.append(template(CROP) + np.array([left, 40.0]))
    return image, landmarks


def test_likeness_is_measured_on_the_photo_as_it_is_written(editor: Editor, faces: FaceData) -> None:
    image, landmarks = on_photo(faces.crops, 0, 9)
    changed, cosines = editor.anonymized(image, landmarks, seed=3)
    embedder = editor.synthesizer.embedder
    before, after = (
        embedder.embed(np.stack([align(photo, points) for points in landmarks])) for photo in (image, changed)
    )
    assert cosines == pytest.approx((before * after).sum(axis=1), abs=1e-5)
    unpasted = editor.replaced(np.stack([align(image, points) for points in landmarks]), 3)[1]
    assert (cosines > unpasted).all()  # what stays around the face is the person's
    assert np.array_equal(changed, editor.anonymized(image, landmarks, seed=3)[0])
    assert not np.array_equal(changed, editor.anonymized(image, landmarks, seed=4)[0])
    around = np.ones(image.shape[:2], bool)
    for left in (40, 200):
        around[40 : 40 + CROP, left : left + CROP] = False
    assert np.array_equal(changed[around], image[around])


def test_a_face_that_is_recognised_is_replaced_by_another(
    crops: CropSet, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = judged(trained, threshold=0.999)
    image, landmarks = on_photo(crops, 0, 9)
    own, other = align(image, landmarks[0]), 255 - align(image, landmarks[0])
    tries = Tries(own, other, own)
    monkeypatch.setattr(editor, "replaced", tries)
    changed, cosines = editor.anonymized(image, landmarks, seed=5)
    assert tries.seeds == [(2, 5), (1, 5 + 1_000_003)]  # the second was another's already
    assert not editor.recognised(cosines).any()
    assert np.array_equal(align(changed, landmarks[0])[50:60, 50:60], other[50:60, 50:60])
    assert np.array_equal(align(changed, landmarks[1])[50:60, 50:60], own[50:60, 50:60])


def test_of_faces_that_are_all_recognised_the_least_alike_is_taken(
    crops: CropSet, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = judged(trained, threshold=-1.0)
    image, landmarks = on_photo(crops, 0)
    own, other = align(image, landmarks[0]), 255 - align(image, landmarks[0])
    tries = Tries(own, other, own)
    monkeypatch.setattr(editor, "replaced", tries)
    changed, cosines = editor.anonymized(image, landmarks)
    assert len(tries.seeds) == 1 + RETRIES
    assert editor.recognised(cosines).all()
    assert np.array_equal(align(changed, landmarks[0])[50:60, 50:60], other[50:60, 50:60])


def test_without_a_card_nothing_is_said_to_be_recognised(
    editor: Editor, faces: FaceData, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, landmarks = on_photo(faces.crops, 0)
    tries = Tries(align(image, landmarks[0]))
    monkeypatch.setattr(editor, "replaced", tries)
    _, cosines = editor.anonymized(image, landmarks)
    assert cosines == pytest.approx([1], abs=1e-3)
    assert editor.threshold is None
    assert not editor.recognised(cosines).any()
    assert len(tries.seeds) == 1


def test_the_way_between_two_faces_begins_and_ends_at_them(editor: Editor, faces: FaceData) -> None:
    first, second = np.asarray(faces.crops.images[[0, 9]])
    strip = editor.between(first, second, 5)
    assert strip.shape == (5, SIZE, SIZE, 3)
    back = editor.between(second, first, 5)
    assert np.abs(strip.astype(int) - back[::-1]).max() <= 4  # half precision
    assert not np.array_equal(strip[0], strip[-1])


def test_directions_are_what_codes_differ_by(faces: FaceData, monkeypatch: pytest.MonkeyPatch) -> None:
    network = VAE(faces.condition_size, SIZE, code_size=3, encoder_widths=(4, 8), decoder_widths=(8, 8, 4))
    values = KNOWN.values(faces.attributes)
    truth = np.stack([values["Smiling"], values[AGE] / 20, 0 * values[AGE]], axis=1).astype(np.float32)
    order = iter(np.random.default_rng(0).permutation(len(faces)))

    def encode(images: torch.Tensor, given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows = [next(order) for _ in range(len(images))]
        assert not given[:, faces.centres.shape[1] :].any()  # the encoder is told no attributes
        return torch.from_numpy(truth[rows]), torch.zeros(len(rows), 3)

    monkeypatch.setattr(network, "encode", encode)
    found = directions(network, faces).numpy()
    wanted = np.zeros_like(found)
    wanted[KNOWN.names.index("Smiling"), 0] = 2  # from without to with
    wanted[KNOWN.names.index(AGE), 1] = 1 / 20  # a year
    assert found == pytest.approx(wanted, abs=0.15)


def photo() -> tuple[np.ndarray, np.ndarray]:
    """A photo of 300 x 240 px, and landmarks of a face in its middle."""
    image = np.random.default_rng(0).integers(0, 255, (240, 300, 3)).astype(np.uint8)
    return image, template(CROP) + np.array([90.0, 60.0])


def test_changes_land_where_the_face_is_and_nowhere_else() -> None:
    image, landmarks = photo()
    change = np.full((CROP, CROP, 3), -300, np.float32)
    changed = add_change(image, landmarks, change)
    assert (align(changed, landmarks)[40:70, 40:70] == 0).all()
    outside = np.ones(image.shape[:2], bool)
    outside[59 : 61 + CROP, 89 : 91 + CROP] = False
    assert np.array_equal(changed[outside], image[outside])
    assert np.array_equal(add_change(image, landmarks, np.zeros_like(change)), image)


def test_nothing_of_a_replaced_face_is_left_but_in_its_rim() -> None:
    image, landmarks = photo()
    weights = oval(CROP)
    changed = replace_face(image, landmarks, np.full((64, 64, 3), 77, np.uint8))
    inside = align(changed, landmarks)
    whole = cv2.erode(weights, np.ones((3, 3))) == 1  # but for what sampling mixes at its border
    assert (inside[whole] == 77).all()
    assert (weights == 1).mean() > 0.5
    assert weights[0].max() == weights[:, 0].max() == 0
    assert np.array_equal(changed[:50], image[:50])


def test_half_of_the_original_is_left_in_the_rim() -> None:
    image, landmarks = photo()
    replaced, weights = replace_face(image, landmarks, np.full((CROP, CROP, 3), 77, np.uint8)), oval(CROP)
    before, after = (align(one, landmarks).astype(float) for one in (image, replaced))
    rim, outside = (weights > 0) & (weights < 1), weights == 0
    assert rim.sum() / (~outside).sum() == pytest.approx(0.19, abs=0.01)  # a fifth of the oval
    contrast = before[rim] - 77
    left = float(((after[rim] - 77) * contrast).sum() / (contrast**2).sum())
    assert left == pytest.approx(0.49, abs=0.03)
    assert np.abs(after[rim] - 77 - (1 - weights[rim])[:, None] * contrast).max() <= 2
    assert np.array_equal(after[outside], before[outside])
