"""The bench of repair must see what is wrong: with repairers that do nothing, everything, or harm."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from benchmarks.judging.judges import Judges
from benchmarks.readme import repairer_card
from benchmarks.repair.bench import (
    AUTO,
    CLEAN,
    DAMAGED,
    OURS,
    PROJECTED,
    B,
    Models,
    Probes,
    repair,
)
from benchmarks.repair.cases import CASES, WHOLE, Case
from benchmarks.repair.classical import Eigenfaces
from benchmarks.repair.likeness import psnr, ssim
from benchmarks.repair.showing import MADE_UP, SHOWN_CASES
from benchmarks.repair.summary import ALIKE, GAINED, PSNR
from benchmarks.report import build
from benchmarks.rows import Measurement, Row, append_all, origin
from generative.data import FaceData
from generative.grids import FRAME
from generative.models.repairer import UNet
from generative.projection import Projector
from generative.repair import Masks, Repairer
from generative.synthesis import Synthesizer
from generative.training import train
from recog import checkpoints
from recog.cli import main
from recog.embedding import Embedder
from recog.errors import ConfigError, DataError
from recog.training.data import CropSet
from tests.benchmarks.conftest import folder_of
from tests.generative.stand_ins import SIZE, config, objective

CPU = torch.device("cpu")


class Does(Repairer):
    """A repairer that does what a function says."""

    def __init__(self, act: Callable[[np.ndarray], np.ndarray]) -> None:
        super().__init__(UNet((4, 8)), "does", CPU)
        self.act = act

    def repair(self, images: np.ndarray, masks: Masks = None) -> np.ndarray:
        return self.act(images)


@pytest.fixture
def vae(faces: FaceData, embedder: Embedder, tmp_path: Path) -> Path:
    return train(config("vae"), faces, objective("vae", faces, embedder), tmp_path / "vae", "cpu")


@pytest.fixture
def repairer(tmp_path: Path) -> Path:
    network = UNet((4, 8))
    torch.nn.init.normal_(network.to_rgb[0].weight, std=0.01)  # type: ignore[arg-type]
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    network = {"network": {"widths": [4, 8]}}
    path = tmp_path / "repairer.safetensors"
    checkpoints.save(path, kind="repairer", config=network, tensors=tensors)
    return path


def probes(people: CropSet, judges: Judges, embedder: Embedder, **options: object) -> Probes:
    return Probes(people, Models(Does(lambda images: images), judges, embedder), **options)  # type: ignore[arg-type]


def by_arm(rows: list[Row]) -> dict[tuple[str, str], Row]:
    return {(row.arm, row.metric): row for row in rows}


def test_a_perfect_repair_restores_everything_and_none_nothing(
    people: CropSet, judges: Judges, embedder: Embedder
) -> None:
    clean = probes(people, judges, embedder).faces
    cases = {"noise": Case("noise", 80.0)}
    for act, psnr_of, fraction in ((lambda images: clean, 50.0, 1.0), (lambda images: images, None, 0.0)):
        kept: list[list[Row]] = []
        rows = repair(cases, people, Models(Does(act), judges, embedder), "people", seed=0, kept=kept.append)
        assert [row for part in kept for row in part] == rows
        found = by_arm(rows)
        ours, damaged = f"noise, {OURS}", f"noise, {DAMAGED}"
        assert {arm for arm, _ in found} == {ours, damaged, "noise, non-local means", "noise, Gaussian"}
        if psnr_of is not None:
            assert found[ours, "PSNR, dB"].value > psnr_of
            assert found[ours, "SSIM"].value == pytest.approx(1)
            assert found[ours, f"cosine to the clean face, {B}"].value == pytest.approx(1, abs=1e-4)
        else:
            assert found[ours, "PSNR, dB"].value == found[damaged, "PSNR, dB"].value
        gained = found[ours, f"TAR gained, {B}"]
        both = found[ours, f"{GAINED}, both vectors"]
        assert both.ci95 is not None
        assert (both.value == 0) or psnr_of is not None  # of a face and itself: as before
        assert gained.ci95 is not None
        for by in (B, "bundled model"):
            if (ours, f"restored fraction, {by}") in found:
                assert found[ours, f"restored fraction, {by}"].value == pytest.approx(fraction)


class Tells(Does):
    """Takes noisy faces for what it was told they are, others for whole, and repairs the former perfectly."""

    def __init__(self, clean: np.ndarray, helps: tuple[str, ...]) -> None:
        super().__init__(lambda images: clean)
        self.network.damages = ("nothing", "noise")
        self.helps = frozenset(helps)
        self.clean = clean

    def suffered(self, images: np.ndarray) -> tuple[str, ...]:
        changed = (images != self.clean).any(axis=(1, 2, 3))
        return tuple("noise" if one else "nothing" for one in changed)

    def where_it_helps(self, crops: np.ndarray) -> np.ndarray:
        return self.clean if "noise" in self.helps else crops


@pytest.mark.parametrize("helps", ["noise", "mask"])
def test_repair_where_it_helps_is_measured_too(
    people: CropSet, judges: Judges, embedder: Embedder, helps: str
) -> None:
    clean = probes(people, judges, embedder).faces
    cases = {WHOLE: CASES[WHOLE], "noise": Case("noise", 80.0), "mask": Case("mask", 1.0, told=True)}
    models = Models(Tells(clean, (helps,)), judges, embedder)
    found = by_arm(repair(cases, people, models, "people", seed=0, kept=lambda rows: None))
    assert found[f"{WHOLE}, {OURS}", "damage named rightly"].value == 1
    assert found[f"noise, {OURS}", "damage named rightly"].value == 1
    assert (f"mask, {OURS}", "damage named rightly") not in found
    acted = found[f"noise, {AUTO}", GAINED]
    assert (acted.value == found[f"noise, {OURS}", GAINED].value) is (helps == "noise")
    assert acted.value == 0 or helps == "noise"
    assert (f"mask, {AUTO}", GAINED) not in found  # nobody has to find out what is told
    rows = [row for row in found.values() if row.metric == GAINED and row.details["method"] == OURS]
    assert {row.details["case"]: row.details.get("auto") for row in rows} == {
        "noise": helps == "noise",
        "mask": None,
    }


def test_what_is_whole_is_watched(people: CropSet, judges: Judges, embedder: Embedder) -> None:
    def harm(images: np.ndarray) -> np.ndarray:
        changed = images.copy()
        changed[0] = 255 - changed[0]
        return changed

    models = Models(Does(harm), judges, embedder)
    found = by_arm(repair({WHOLE: CASES[WHOLE]}, people, models, "people", seed=0, kept=lambda rows: None))
    ours = f"{WHOLE}, {OURS}"
    assert {arm for arm, _ in found} == {ours, f"{WHOLE}, {CLEAN}"}
    n = found[ours, "change, levels"].n
    assert found[ours, "largest change of a face, levels"].value == pytest.approx(
        n * found[ours, "change, levels"].value
    )
    assert found[ours, f"cosine 0.98 or more, {B}"].value >= 1 - 1 / n
    assert found[ours, f"least cosine, {B}"].value < 1
    assert found[f"{WHOLE}, {CLEAN}", f"TAR@FMR=1e-3, {B}"].value >= 0


def test_cases_that_are_there_are_not_measured_again_and_sizes_are_other_cases(
    people: CropSet, judges: Judges, embedder: Embedder, tmp_path: Path
) -> None:
    cases = {"hole": Case("hole", 0.3, told=True)}
    asked: list[Masks] = []

    class Told(Does):
        def repair(self, images: np.ndarray, masks: Masks = None) -> np.ndarray:
            asked.append(masks)
            return images

    models = Models(Told(lambda images: images), judges, embedder, eigenfaces=Eigenfaces(people.images))
    rows = repair(cases, people, models, "p", seed=0, kept=lambda rows: None, pictures=tmp_path / "grids")
    assert isinstance(asked[0], np.ndarray)
    assert (tmp_path / "grids" / "repair-hole.png").is_file()
    assert {row.arm.removeprefix("hole, ") for row in rows} == {
        DAMAGED, "Telea", "Navier-Stokes", "eigenfaces", OURS,
    }  # fmt: skip
    done = frozenset(row.plan for row in rows)
    assert not repair(cases, people, models, "p", seed=0, kept=lambda rows: None, done=done)
    larger = CropSet(people.images.repeat(2, 1).repeat(2, 2), people.labels, people.identities, people.files)
    again = replace(models, eigenfaces=Eigenfaces(larger.images))
    assert repair(cases, larger, again, "p", seed=0, kept=lambda rows: None, done=done)
    untold = {"hole": Case("hole", 0.3)}
    repair(untold, people, models, "p", seed=0, kept=lambda rows: None, most=21)
    assert asked[-1] == "auto"


def test_probes_and_templates_are_different_photos(
    people: CropSet, judges: Judges, embedder: Embedder
) -> None:
    every = probes(people, judges, embedder)
    assert len(every.faces) == 52
    some = probes(people, judges, embedder, most=21)
    assert len(some.faces) == 21
    assert {bytes(face) for face in some.faces} <= {bytes(face) for face in every.faces}
    templates = {bytes(face) for face in people.images} - {bytes(face) for face in every.faces}
    assert len(templates) == 52
    with pytest.raises(DataError, match="two at least"):
        probes(people.subset([0, 1, 2, 3]), judges, embedder)


def test_psnr_and_ssim_by_hand() -> None:
    clean = np.full((2, 32, 32, 3), 100, np.uint8)
    off = clean.copy()
    off[1] += 5
    found = psnr(off, clean)
    assert found[1] == pytest.approx(20 * np.log10(255 / 5))
    assert found[0] == pytest.approx(20 * np.log10(255 / 0.5))  # no difference counts as half a level
    assert ssim(clean, clean) == pytest.approx([1, 1])


def test_the_bench_runs_from_the_command_line(
    tmp_path: Path,
    judges: Judges,
    embedder: Embedder,
    repairer: Path,
    vae: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place, others = folder_of(tmp_path / "report", 26, 4, seed=5), folder_of(tmp_path / "fit", 8, 4, seed=6)
    monkeypatch.setattr(Embedder, "load", classmethod(lambda cls, *a, **k: embedder))
    monkeypatch.setattr(Judges, "load", classmethod(lambda cls, *a, **k: judges))
    command = [
        *f"bench repair --data {place} --training {others} --size {SIZE} --most 21".split(),
        *f"--weights {repairer} --generator {vae}".split(),
        "--model",
        "other",
        *f"--out {tmp_path / 'out'} --json".split(),
        "hole of 24 px of 64, told where",
    ]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    arms = {json.loads(line)["arm"].rpartition(", ")[2] for line in result.stdout.splitlines()}
    assert arms == {DAMAGED, "Telea", "Navier-Stokes", "eigenfaces", PROJECTED, OURS}
    again = CliRunner().invoke(main, command)
    assert again.exit_code == 0
    assert not again.stdout
    both = CliRunner().invoke(main, [*command[:3], str(place), *command[4:5], str(place), *command[6:]])
    assert both.exit_code == 4
    assert "in --data and in --training" in both.output


def test_a_guide_of_the_vae_does_not_judge(
    people: CropSet, judges: Judges, embedder: Embedder, vae: Path
) -> None:
    projector = Projector(Synthesizer.load(vae, embedder, "cpu"))
    judge = judges.recogniser.digest
    projector.synthesizer.guides = frozenset({judge})
    models = Models(Does(lambda images: images), judges, embedder, projector)
    with pytest.raises(ConfigError, match="give other judges"):
        repair(CASES, people, models, "p", seed=0, kept=lambda rows: None)


def test_a_guide_of_the_repairer_does_not_judge(people: CropSet, judges: Judges, embedder: Embedder) -> None:
    biased = Does(lambda images: images)
    biased.guides = frozenset({judges.recogniser.digest})
    with pytest.raises(ConfigError, match="give other judges"):
        repair(CASES, people, Models(biased, judges, embedder), "p", seed=0, kept=lambda rows: None)


def test_the_report_says_who_gains(people: CropSet, judges: Judges, embedder: Embedder) -> None:
    clean = probes(people, judges, embedder).faces
    cases = {name: CASES[name] for name in ("noise of 50 levels", "mask, told where", WHOLE)}
    models = Models(Does(lambda images: clean), judges, embedder, eigenfaces=Eigenfaces(people.images))
    rows = repair(cases, people, models, "people", seed=0, kept=lambda rows: None)
    (section, _) = build(rows).sections
    follows, table, whole = section.tables
    assert [line[0] for line in table.body][:2] == [f"{WHOLE}, {CLEAN}", f"{WHOLE}, {OURS}"]
    assert {line[0] for line in whole.body} >= {"change, levels", "cosine 0.98 or more, recogniser B"}
    noise, mask = (dict(zip(follows.head, line, strict=True)) for line in follows.body)
    assert (noise[""], mask[""]) == ("noise of 50 levels", "mask, told where")
    assert "(+" in noise["repaired, dB"]
    assert any(name in mask["best baseline, dB"] for name in ("eigenfaces", "Telea", "Navier-Stokes"))
    assert len(section.text) == 1  # no VAE took part


def measured(case: str, method: str, *found: Measurement, seed: int = 0, **details: object) -> list[Row]:
    said = {"case": case, "method": method, **details}
    source = origin("repair", "64 px; 10 photos damaged, others left alone", "people", {})
    return source.rows(found, arm=f"{case}, {method}", seed=seed, seconds=1.0, details=said)


@pytest.mark.parametrize(
    ("interval", "verdict", "said"),
    [
        ((0.01, 0.03), "gains", "knows more people after repair: mask."),
        ((-0.03, -0.01), "loses", "knows more people on the damaged faces as they are: mask."),
        ((-0.01, 0.03), "undecided", "shows no difference that its interval leaves no doubt of: mask."),
    ],
)
def test_gains_are_said_where_intervals_show_them(
    interval: tuple[float, float], verdict: str, said: str
) -> None:
    gain = Measurement(GAINED, sum(interval) / 2, 10, interval)
    helps = interval[0] > 0
    first = [
        *measured("mask, to be found", "Telea", Measurement(PSNR, 29.0, 10)),  # by itself: no case
        *measured("mask", DAMAGED, Measurement(PSNR, 15.0, 10)),
        *measured("mask", OURS, Measurement(PSNR, 30.0, 10), gain, auto=helps),
        *measured("mask", "Telea", Measurement(PSNR, 26.0, 10)),
    ]
    (section, _) = build(first).sections
    (line,) = section.tables[0].body
    cells = dict(zip(section.tables[0].head, line, strict=True))
    assert (cells["damaged, dB"], cells["best baseline, dB"]) == ("15.0", "26.0 (Telea)")
    assert cells["repaired, dB"] == "30.0 (+4.0)"
    assert cells["bundled model"] == verdict
    assert cells["auto"] == ("repairs" if helps else "leaves it")
    (sentence,) = section.text
    assert (
        sentence
        == f"people, 64 px; 10 photos damaged. The bundled model, which learned from damaged faces, {said}"
    )
    second = [
        *measured("mask", OURS, Measurement(PSNR, 30.0, 10), gain, seed=1),
        *measured("mask", "Telea", Measurement(PSNR, 27.0, 10), seed=1),
    ]
    (section, _) = build([*first, *second]).sections
    found = {line[0]: line[3] for line in section.tables[0].body}
    assert found == {"mask, seed 0": "30.0 (+4.0)", "mask, seed 1": "30.0 (+3.0)"}


@pytest.mark.parametrize(
    ("decibels", "cosine", "said"),
    [
        (1.5, 0.1, "is the network with mask."),
        (-1.5, -0.1, "is the VAE with mask."),
        (1.5, -0.1, "is the network by one and the VAE by the other with mask."),
    ],
)
def test_network_and_vae_are_compared_damage_by_damage(decibels: float, cosine: float, said: str) -> None:
    def likeness(method: str, pixels: float, alike: float) -> list[Row]:
        return measured("mask", method, Measurement(PSNR, pixels, 10), Measurement(ALIKE, alike, 10))

    rows = [
        *likeness(DAMAGED, 10.0, 0.1),
        *likeness("Telea", 20.0, 0.2),
        *likeness(PROJECTED, 22.0, 0.5),
        *likeness(OURS, 22.0 + decibels, 0.5 + cosine),
    ]
    (line,) = build(rows).sections[0].text
    assert line.endswith(said)
    assert not build([row for row in rows if row.details["method"] != PROJECTED]).sections[0].text


def test_a_card_has_the_figures_of_its_weights(repairer: Path, tmp_path: Path) -> None:
    digest = checkpoints.load(repairer, kind="repairer").digest
    old, new = (
        [
            origin("repair", "64 px; x", "people", {"weights": weights}).rows(
                [Measurement(PSNR, value, 10)],
                arm=f"mask, {method}",
                seed=0,
                seconds=1.0,
                model=weights if method == OURS else None,
                details={"case": "mask", "method": method},
            )[0]
            for method, value in ((DAMAGED, 15.0), ("Telea", 20.0), (OURS, ours))
        ]
        for weights, ours in (("other", 21.0), (digest, 27.0))
    )
    append_all(tmp_path, old)
    with pytest.raises(DataError, match="has no rows of"):
        repairer_card(tmp_path, repairer)
    append_all(tmp_path, new)
    text = repairer_card(tmp_path, repairer)
    assert "| mask | 15.0 | 20.0 (Telea) | 27.0 (+7.0) |" in text
    assert "21.0" not in text


def test_people_who_do_not_exist_are_shown(
    people: CropSet, judges: Judges, embedder: Embedder, synthesizer: Synthesizer, tmp_path: Path
) -> None:
    models = Models(Does(lambda images: 255 - images), judges, embedder, synthesizer=synthesizer)
    rows = repair(
        {WHOLE: CASES[WHOLE]}, people, models, "people", seed=0, kept=lambda rows: None, out=tmp_path
    )
    (told,) = {tuple(row.details["pictures"]) for row in rows if "pictures" in row.details}
    with Image.open(tmp_path / told[0]) as picture:
        cell = SIZE + 2 * FRAME
        assert picture.size == (MADE_UP * cell, (1 + 2 * len(SHOWN_CASES)) * cell)
        shown = np.asarray(picture)
    before, after = (shown[row * cell + FRAME : (row + 1) * cell - FRAME, FRAME:-FRAME] for row in (7, 8))
    inside = np.tile(np.arange(cell) < SIZE, MADE_UP)[: before.shape[1]]
    assert np.array_equal(after[:, inside], 255 - before[:, inside])
