"""What faces suffer in the benchmark of repair, and the classical methods beside it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks.choices import chosen
from benchmarks.repair import classical
from benchmarks.repair.cases import CASES, WHOLE, each
from benchmarks.repair.classical import Eigenfaces, baselines
from generative import damage
from recog.errors import ConfigError
from recog.training.data import CropSet


def test_eigenfaces_fill_holes_in_faces_like_those_they_know() -> None:
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(5, 16 * 16 * 3))
    faces = 128 + 12 * rng.normal(size=(80, 5)) @ basis
    images = np.clip(np.rint(faces), 0, 255).astype(np.uint8).reshape(-1, 16, 16, 3)
    model = Eigenfaces(images[:70])
    masks = np.zeros((10, 16, 16), bool)
    masks[:, 4:10, 4:10] = True
    holes = np.where(masks[..., None], 0, images[70:]).astype(np.uint8)
    filled = model(holes, masks)
    assert np.array_equal(filled[~masks], images[70:][~masks])
    flat = inpainted_error(holes, masks, images[70:])
    assert np.abs(filled.astype(int) - images[70:])[masks].mean() < 0.2 * flat


def inpainted_error(holes: np.ndarray, masks: np.ndarray, clean: np.ndarray) -> float:
    made = classical.inpainted(holes, masks, cv2.INPAINT_TELEA)
    return float(np.abs(made.astype(int) - clean)[masks].mean())


@pytest.mark.parametrize("name", CASES)
def test_baselines_suit_the_damage(name: str, people: CropSet) -> None:
    case = CASES[name]
    faces = people.images[:3]
    damaged, covered = case.apply(faces, seed=1)
    again, _ = case.apply(faces, seed=1)
    assert np.array_equal(damaged, again)
    assert covered.any() == case.covers
    assert (damaged != faces).any() == (case.damage is not None)
    methods = baselines(case, Eigenfaces(people.images))
    assert bool(methods) == (case.damage is not None)
    for method in methods.values():
        made = method(damaged, covered)
        assert made.shape == faces.shape
        assert made.dtype == np.uint8


def test_covers_that_are_to_be_found_are_not_grey(people: CropSet) -> None:
    for name in ("hole of 24 px of 64", "strokes over 20 %"):
        (told, covered), (untold, same) = (
            CASES[f"{name}, {how}"].apply(people.images[:20], seed=1) for how in ("told where", "to be found")
        )
        assert np.array_equal(covered, same)
        assert (told[covered] == 128).all()
        assert (untold[covered] == 128).mean() < 0.05
        assert np.array_equal(told[~covered], untold[~covered])


def test_every_damage_has_a_case_and_cases_are_named() -> None:
    assert {case.damage for case in CASES.values()} == {*damage.NAMED, None}
    assert next(iter(dict(each(CASES)))) == WHOLE
    assert chosen(CASES, ("4x down",), "case") == {"4x down": CASES["4x down"]}
    assert chosen(CASES, (), "case") == CASES
    with pytest.raises(ConfigError, match="No case is called 'rain'"):
        chosen(CASES, ("rain",), "case")


def test_other_eigenfaces_are_another_plan(people: CropSet) -> None:
    one, same, other = (Eigenfaces(people.images[rows]) for rows in (slice(60), slice(60), slice(20, 80)))
    assert one.digest == same.digest != other.digest
