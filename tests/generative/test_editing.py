from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from generative.conditions import AGE, ATTRIBUTES, Vocabulary
from generative.data import FaceData
from generative.directions import directions
from generative.editing import Editor
from generative.models.reader import Reader
from generative.models.vae import VAE
from generative.pasting import CROP, add_change, oval, replace_face
from generative.reading import AttributeReader
from generative.synthesis import Synthesizer
from generative.training import train
from recog.alignment import align, template
from recog.embedding import Embedder
from recog.errors import ConfigError
from tests.generative.stand_ins import SIZE, config, objective

KNOWN = Vocabulary(ATTRIBUTES, ages=True)


def reader() -> AttributeReader:
    torch.manual_seed(3)
    return AttributeReader(Reader(len(KNOWN), (4, 4, 8, 8)), KNOWN, 32, "x", torch.device("cpu"))


@pytest.fixture
def editor(faces: FaceData, embedder: Embedder, tmp_path: Path) -> Editor:
    weights = train(config("vae"), faces, objective("vae", faces, embedder), tmp_path / "vae", "cpu")
    return Editor(Synthesizer.load(weights, embedder, "cpu"), reader())


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
    doubled = editor.changes(crops[:1], {"Smiling": -side}, method=method, strength=2.0)
    assert doubled == pytest.approx(2 * change, abs=1e-3)
    assert np.abs(editor.changes(crops[:1], {"Smiling": side}, method=method)).max() == 0


def test_what_cannot_be_edited_is_named(editor: Editor, faces: FaceData) -> None:
    crops = np.asarray(faces.crops.images[:1])
    with pytest.raises(ConfigError, match="method is 'magic'"):
        editor.changes(crops, {"Smiling": 1}, method="magic")
    with pytest.raises(ConfigError, match="knows no 'Mood'"):
        editor.changes(crops, {"Mood": 1})


def test_a_generator_without_encoder_cannot_edit(faces: FaceData, embedder: Embedder, tmp_path: Path) -> None:
    weights = train(config("gan"), faces, objective("gan", faces, embedder), tmp_path / "gan", "cpu")
    with pytest.raises(ConfigError, match="Load a vae or a vae-gan"):
        Editor(Synthesizer.load(weights, embedder, "cpu"), reader())


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


def test_nothing_of_a_replaced_face_is_left() -> None:
    image, landmarks = photo()
    changed = replace_face(image, landmarks, np.full((64, 64, 3), 77, np.uint8))
    inside = align(changed, landmarks)
    whole = cv2.erode(oval(CROP), np.ones((3, 3))) == 1  # but for what sampling mixes at its border
    assert (inside[whole] == 77).all()
    assert (oval(CROP) == 1).mean() > 0.5
    assert oval(CROP)[0].max() == oval(CROP)[:, 0].max() == 0
    assert np.array_equal(changed[:50], image[:50])
