"""What tests of the command line share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from recog.cli import main
from recog.embedding import Embedder
from tests.conftest import ColourEmbedder, PatchDetector

Photo = Callable[..., Path]
Call = Callable[..., Result]


def objects(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def run_script(*arguments: object) -> int:
    """The exit code that the shell gets."""
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in arguments])
    return int(left.value.code or 0)


def stand_in(monkeypatch: pytest.MonkeyPatch, gallery_path: Path, detector: type[PatchDetector]) -> None:
    """Commands use this gallery, and take stand-ins for the models."""
    monkeypatch.setenv("RECOG_GALLERY", str(gallery_path))
    monkeypatch.setattr(Embedder, "load", lambda name, device="auto", fetch=True: ColourEmbedder())
    monkeypatch.setattr("recog.detection.Detector", lambda device="auto": detector())
