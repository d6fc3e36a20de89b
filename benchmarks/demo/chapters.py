"""The chapters of the demo: each does its part and says what came out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import plots, rows
from benchmarks.augment.arms import declarations
from benchmarks.augment.bench import BENCH, Bench
from benchmarks.augment.making import Material
from benchmarks.augment.summary import arms_table
from benchmarks.demo.plan import NAMES, DemoPlan, Studio
from benchmarks.demo.story import Chapter, Stage
from benchmarks.exams import of_crops
from benchmarks.pictures import GREEN, GREY, RED
from benchmarks.repair.likeness import psnr, ssim
from benchmarks.summaries import Table
from generative import damage
from generative.augmenting import GeneratorMaker, crops_of
from generative.grids import WHITE, Picture, sheet
from recog import calibration
from recog.alignment import AlignedCrops
from recog.pixels import from_uint8, to_uint8
from recog.recognizer import Recognizer

VAE_PEOPLE = 4
DAMAGES = (("hole", 0.375), ("noise", 25.0), ("lowres", 4.0), ("blur", 2.0))


def cast(chapter: Chapter, stage: Stage) -> None:
    """Show who was drawn."""
    plan, models, story = stage.plan, stage.models, stage.story
    enrolled, strangers = stage.enrolled, stage.strangers
    chapter.text.append(
        f"{len(enrolled)} people to enroll and {len(strangers)} strangers, drawn by the bundled generator "
        f"with seed {plan.seed}: first a point among identities, then photos of it. No photo was used."
    )
    colours = [[GREY] * plan.enroll_photos + [WHITE] * plan.unseen_photos for _ in enrolled]
    caption = (
        f"One row a person: the first {plan.enroll_photos} photos (framed) are enrolled, the others unseen."
    )
    story.show(chapter, "cast", caption, sheet([list(p.images) for p in enrolled], colours))
    if models.vae is not None:
        photos = plan.enroll_photos + plan.unseen_photos
        drawn = [models.vae.photos_of(p.centre, photos, plan.seed) for p in enrolled[:VAE_PEOPLE]]
        caption = (
            "The first of them as the bundled VAE draws them: smoother, since it averages over what fits."
        )
        story.show(chapter, "vae", caption, sheet([list(images) for images in drawn]))


def recognition(chapter: Chapter, stage: Stage) -> None:
    """Enroll the cast, ask about unseen photos of it and about strangers."""
    plan, models, story = stage.plan, stage.models, stage.story
    enrolled, strangers = stage.enrolled, stage.strangers
    names = [
        NAMES[k % len(NAMES)] + (f" {k // len(NAMES) + 1}" if k >= len(NAMES) else "")
        for k in range(len(enrolled))
    ]
    with Recognizer.open(None, embedder=models.embedder, detector=AlignedCrops()) as recognizer:
        for name, person in zip(names, enrolled, strict=True):
            recognizer.enroll(name, list(person.images[: plan.enroll_photos]))
        threshold = _threshold(recognizer, plan, models)
        known = [_named(recognizer, p.images[plan.enroll_photos :], threshold) for p in enrolled]
        unknown = [_named(recognizer, p.images[: plan.unseen_photos], threshold) for p in strangers]
    right = sum(answer == name for name, answers in zip(names, known, strict=True) for answer in answers)
    missed = sum(answer is None for answers in known for answer in answers)
    total, refused = plan.people * plan.unseen_photos, sum(a is None for answers in unknown for a in answers)
    asked = len(strangers) * plan.unseen_photos
    story.figures |= {"recognised": right, "unseen": total, "refused": refused, "strangers": asked}
    chapter.text.append(
        f"Threshold {threshold:.3f}, calibrated so that {plan.fpir:.0%} of {plan.calibration_people} other "
        "made-up people match somebody. The crops are aligned already, so face detection has no part in this."
    )
    chapter.tables.append(
        Table(
            "Unseen photos",
            ["photos of", "asked", "right name", "unknown", "wrong name"],
            [
                ["enrolled people", str(total), str(right), str(missed), str(total - right - missed)],
                ["strangers", str(asked), "", str(refused), str(asked - refused)],
            ],
        )
    )
    colours = [
        [GREEN if a == n else GREY if a is None else RED for a in row]
        for n, row in zip(names, known, strict=True)
    ]
    unseen = [list(person.images[plan.enroll_photos :]) for person in enrolled]
    caption = "Unseen photos of enrolled people. Green: right name; grey: unknown; red: wrong name."
    story.show(chapter, "recognised", caption, sheet(unseen, colours))
    refusals = [[GREEN if answer is None else RED for answer in row] for row in unknown]
    shown = [list(person.images[: plan.unseen_photos]) for person in strangers]
    caption = "Strangers. Green: refused; red: taken for somebody."
    story.show(chapter, "strangers", caption, sheet(shown, refusals))


def _threshold(recognizer: Recognizer, plan: DemoPlan, models: Studio) -> float:
    """For the wanted FPIR, on people of another seed."""
    others = models.people(plan.calibration_people, 1, plan.seed + 1)
    best = [
        recognizer.query(person.images[0], 1, threshold=1.0)[0].candidates[0].similarity for person in others
    ]
    return calibration.threshold_for_new(np.array(best), plan.fpir)


def _named(recognizer: Recognizer, photos: NDArray[np.uint8], threshold: float) -> list[str | None]:
    return [recognizer.query(photo, 1, threshold=threshold)[0].identity for photo in photos]


def repair(chapter: Chapter, stage: Stage) -> None:
    """Damage photos in known ways and repair them."""
    plan, models, story, people = stage.plan, stage.models, stage.story, stage.enrolled
    clean = np.stack([people[k % len(people)].images[-1] for k in range(plan.repairs)])
    faces = from_uint8(clean)
    rng = torch.Generator().manual_seed(plan.seed)
    body: list[list[str]] = []
    grid: list[list[Picture]] = [list(clean)]
    for name, strength in DAMAGES:
        broken, missing = damage.apply(name, faces, strength, rng)
        damaged = to_uint8(broken)
        masks = missing[:, 0].numpy().astype(bool) if missing.any() else None
        repaired = models.repairer.repair(damaged, masks)
        grid += [list(damaged), list(repaired)]
        scores = [
            (*_fidelity(version, clean), _alike(models, version, clean)) for version in (damaged, repaired)
        ]
        body.append(
            [
                f"{name} {strength:g}",
                *(f"{a} → {b}" for a, b in zip(*(_texts(s) for s in scores), strict=True)),
            ]
        )
        story.figures[f"psnr {name}"] = [round(score[0], 2) for score in scores]
    chapter.text.append(
        "What is filled in is plausible, not what was there: identity can change, as the last column shows. "
        "Holes come with a mask, the other damages without."
    )
    head = ["damage", "PSNR, dB", "SSIM", "cosine to the clean photo"]
    chapter.tables.append(Table("Damaged → repaired", head, body))
    caption = "First row: clean. Then, for each damage, the damaged and the repaired photos."
    story.show(chapter, "repair", caption, sheet(grid))


def _fidelity(version: NDArray[np.uint8], clean: NDArray[np.uint8]) -> tuple[float, float]:
    """PSNR in dB and SSIM, each the mean over faces."""
    return float(psnr(version, clean).mean()), float(ssim(version, clean).mean())


def _alike(models: Studio, version: NDArray[np.uint8], clean: NDArray[np.uint8]) -> float:
    a, b = models.embedder.embed(version), models.embedder.embed(clean)
    return float((a * b).sum(axis=1).mean())


def _texts(scores: tuple[float, float, float]) -> tuple[str, str, str]:
    return f"{scores[0]:.1f}", f"{scores[1]:.3f}", f"{scores[2]:.2f}"


def augmentation_benchmark(chapter: Chapter, stage: Stage) -> None:
    """Everything is made up: the "real" photos of the arms are the generator's too."""
    plan, models, story, out = stage.plan, stage.models, stage.story, stage.out
    user = crops_of(models.people(plan.pool, plan.augment.photos, plan.seed + 2))
    exam = crops_of(models.people(plan.exam_people, 4, plan.seed + 3))
    maker = GeneratorMaker(models.synthesizer, models.embedder)
    material = Material(
        name="made-up people",
        user=user,
        native=user,
        exams=(of_crops(exam, "other made-up people"),),
        makers=lambda kind, draw, seed: maker,
        made_by=dict.fromkeys(plan.augment.kinds, models.synthesizer.digest),
    )
    bench = Bench(plan.augment, material, device=models.device)
    for _ in bench.run(out):
        pass
    declared = bench.origin.plan
    measured = [row for row in rows.read(rows.file_of(out, BENCH)) if row.plan == declared]
    metric = plan.augment.metric
    a, config = plan.augment, plan.augment.config(plan.augment.baseline, 0)
    chapter.text.append(
        f"Each run trains {config.backbone} on {a.photos} photos of each of {a.people} people for "
        f"{config.total_kimg:g} thousand crops; {a.seeds} seeds, paired. On so little arms differ by chance: "
        "`recog bench augment` with real photos and ten seeds is the measurement."
    )
    *_, said = declarations(measured)
    chapter.tables.append(arms_table(measured, said, "On other made-up people"))
    title = "made-up people: a demonstration"
    picture = plots.arms(said.values(measured, metric), a.baseline, metric, title)
    story.show(chapter, "augmentation", "Points: seeds; diamonds: means with 95 % intervals.", picture)
    story.figures["augmentation rows"] = len(measured)


IN_ORDER: tuple[tuple[str, Callable[[Chapter, Stage], None]], ...] = (
    ("A cast of people who do not exist", cast),
    ("Recognition", recognition),
    ("Repair", repair),
    ("A small augmentation benchmark", augmentation_benchmark),
)
