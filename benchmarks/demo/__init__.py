"""`recog demo`: the whole toolkit on people who do not exist, with the bundled weights and no network.

Made-up faces come from a generator that was conditioned on the very recogniser that is shown here, so the
scores demonstrate that the parts work together; they say nothing about accuracy on real photos.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from benchmarks import pictures
from benchmarks.demo import chapters
from benchmarks.demo.plan import DemoPlan, Studio
from benchmarks.demo.story import Chapter, Stage, Story
from benchmarks.report import render_page
from recog.checkpoints import write_atomically
from recog.progress import progress

logger = logging.getLogger(__name__)
__all__ = ["DemoPlan", "Story", "Studio", "run"]


def run(
    plan: DemoPlan, out: Path, *, device: str = "auto", studio: Studio | None = None
) -> tuple[Path, Story]:
    """Run all chapters and write `out`/report.html (self-contained), pictures/*.png and augment.jsonl.

    Returns: the page and what it tells.
    Raises: ModelNotFound: bundled weights are missing; WriteFailed.
    """
    models, story = studio or Studio.open(device), Story()
    begun = time.perf_counter()
    cast = models.people(plan.people + plan.strangers, plan.enroll_photos + plan.unseen_photos, plan.seed)
    drawing = time.perf_counter() - begun
    stage = Stage(plan, models, tuple(cast[: plan.people]), tuple(cast[plan.people :]), out, story)
    for title, tell in progress(chapters.IN_ORDER, total=len(chapters.IN_ORDER), desc="demo"):
        chapter, started = Chapter(title), time.perf_counter()
        tell(chapter, stage)
        chapter.seconds = time.perf_counter() - started + (0.0 if story.chapters else drawing)
        story.chapters.append(chapter)
        logger.info("%s: %.0f s", title, chapter.seconds)
    for name, png in story.pictures.items():
        write_atomically(out / "pictures" / f"{name}.png", png)
    embedded = {name: pictures.data_uri(png) for name, png in story.pictures.items()}
    page = out / "report.html"
    write_atomically(page, render_page("demo.html.j2", chapters=story.chapters, pictures=embedded).encode())
    return page, story
