"""What the demo did, chapter by chapter."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.demo.plan import DemoPlan, Studio
from benchmarks.summaries import Table
from generative.synthesis import SyntheticPerson


@dataclass
class Chapter:
    """One part of the demo's page."""

    title: str
    text: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    shown: list[tuple[str, str]] = field(default_factory=list)  # (name in `Story.pictures`, caption)
    seconds: float = 0.0


@dataclass
class Story:
    """What the demo did, for the page and for `--json`."""

    chapters: list[Chapter] = field(default_factory=list)
    pictures: dict[str, bytes] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)

    def show(self, chapter: Chapter, name: str, caption: str, png: bytes) -> None:
        """Put a picture on the page."""
        self.pictures[name] = png
        chapter.shown.append((name, caption))


@dataclass(frozen=True, eq=False)
class Stage:
    """What every chapter works with."""

    plan: DemoPlan
    models: Studio
    enrolled: tuple[SyntheticPerson, ...]
    strangers: tuple[SyntheticPerson, ...]
    out: Path
    story: Story
