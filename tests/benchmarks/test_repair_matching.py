"""Who counts as recognised, and how much of that repair gives back."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.repair.matching import Matcher


def test_a_fraction_is_of_what_was_lost() -> None:
    rng = np.random.default_rng(0)
    people, photos = 60, 3
    whose = np.repeat(np.arange(people), photos)
    centres = rng.normal(size=(people, 16))

    def seen(noise: float) -> np.ndarray:
        vectors = centres[whose] + noise * rng.normal(size=(len(whose), 16))
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    matcher = Matcher(whose, seen(0.3), whose)
    probes_of = [seen(noise) for noise in (0.3, 1.5, 0.8)]
    clean, damaged, repaired = (matcher(probes) for probes in probes_of)
    assert clean.tar > repaired.tar > damaged.tar
    found = {one.metric: one for one in matcher.restored(clean, damaged, repaired, "x")}
    expected = (repaired.tar - damaged.tar) / (clean.tar - damaged.tar)
    fraction = found["restored fraction, x"]
    assert fraction.value == pytest.approx(expected)
    assert fraction.ci95 is not None
    assert 0 < fraction.ci95[0] < expected < fraction.ci95[1] < 1
    assert found["TAR gained, x"].value == pytest.approx(repaired.tar - damaged.tar)
    assert [one.metric for one in matcher.restored(clean, clean, repaired, "x")] == ["TAR gained, x"]
    for one in (clean, damaged):
        assert one.tar_of(np.ones(people)) == pytest.approx(one.tar)
    twice = np.where(np.arange(people) < 30, 2.0, 0.0)
    half = Matcher(whose[:90], matcher.templates[:90], whose[:90])
    assert damaged.tar_of(twice) == pytest.approx(half(probes_of[1][:90]).tar, abs=0.02)
    fixed, false = repaired.at(clean.threshold)
    scores = probes_of[2] @ matcher.templates.T
    assert fixed == pytest.approx((scores[matcher.mated] >= clean.threshold).mean())
    assert false == pytest.approx((scores[~matcher.mated] >= clean.threshold).mean())
    tar, first = matcher.measured(clean, "x")
    assert tar.ci95 is not None
    assert tar.ci95[0] < tar.value < tar.ci95[1] or tar.value == 1
    assert [one.metric for one in matcher.measured(damaged, "x", clean)][2:] == [
        "TAR at the clean faces' threshold, x",
        "FMR at the clean faces' threshold, x",
    ]
    assert tar.value == clean.tar
    assert first.value == clean.first.mean() > 0.9


def test_thresholds_let_one_pair_of_strangers_in_a_thousand_through() -> None:
    rng = np.random.default_rng(1)
    whose = np.repeat(np.arange(50), 2)
    vectors = rng.normal(size=(100, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    matcher = Matcher(whose, vectors[::-1].copy(), whose[::-1].copy())
    matcher(vectors)
    scores = vectors @ vectors[::-1].T
    strangers = np.sort(scores[~matcher.mated])[::-1]
    threshold = strangers[int(1e-3 * len(strangers)) - 1]
    assert matcher(vectors).tar == pytest.approx((scores[matcher.mated] >= threshold).mean())
