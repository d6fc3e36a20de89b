"""Recipes: a distillation from beginning to end as a TOML file that anyone can run again.

name = "mine"
teachers = ["teacher.onnx"]            # models by name or file; several are joined

[[data]]                               # folders, relative to the data folder
folder = "crops"
roles = "roles.csv"                    # only identities of this role
role = "fit"

[[data]]
folder = "pictures"
labelled = false
frame = [0.05, 0.1, 0.95, 1.0]         # where these pictures lie on the template

[run]                                  # settings of every stage: see DistillConfig
backbone = "fasternet_t0"

[[stage]]                              # each goes on with the weights of the one before
image_size = 64
total_kimg = 1000
"""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recog.checkpoints import FINAL, write_atomically
from recog.device import resolve
from recog.embedders import load_embedder
from recog.embedding import Embedder
from recog.errors import ConfigError
from recog.training.blending import check_blends, with_blends
from recog.training.config import DistillConfig
from recog.training.distillation import distill
from recog.training.processes import is_main_process, main_first
from recog.training.runs import CONFIG
from recog.training.sources import Source, open_all

logger = logging.getLogger(__name__)
KEYS = ("name", "teachers", "data", "run", "stage")
BUNDLED = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Stage:
    """One run of a recipe."""

    config: DistillConfig
    blends: int = 0  # mixtures of two crops that are learned from beside the crops
    bend: float = 0.0  # how far the faces in them are bent, in sides of a crop


@dataclass(frozen=True)
class Recipe:
    """What is distilled into what, from which data."""

    name: str
    teachers: tuple[str, ...]
    sources: tuple[Source, ...]
    stages: tuple[Stage, ...]


def bundled() -> tuple[str, ...]:
    """The recipes in this package."""
    return tuple(sorted(path.stem for path in BUNDLED.glob("*.toml")))


def read(name: str | Path, data: Path | str) -> Recipe:
    """A recipe of this package by name, or from a file; its paths are relative to the folder `data`.

    Raises: ConfigError: no such recipe, or something in it is wrong.
    """
    path = BUNDLED / f"{name}.toml" if str(name) in bundled() else Path(name)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return _recipe(content, Path(data))
    except OSError as error:
        raise ConfigError(
            f"{name}: no such recipe or file. Recipes here: {', '.join(bundled()) or 'none'}."
        ) from error
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        said = str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
        raise ConfigError(f"{path}: not a recipe ({said}); see recog.training.recipes.") from error


def follow(recipe: Recipe, out: Path | str, *, device: str = "auto") -> Embedder:
    """Run the stages one after another, each in a folder of its own under `out`; the same call resumes.

    Returns: the last stage's embedder, also written to `out`/final.safetensors.
    Raises: ConfigError: `out` holds a run, or the stages of another recipe; as `distill`.
    """
    if (Path(out) / CONFIG).exists():
        raise ConfigError(f"{out}: holds a run, and a recipe has a run for each stage. Give another folder.")
    processor = resolve(device)
    with main_first(processor):
        taught_by = [load_embedder(name, device) for name in recipe.teachers]
        crops = open_all(recipe.sources, max(teacher.crop_size for teacher in taught_by))
    final = Path(out) / FINAL
    start: Path | None = None
    for number, stage in enumerate(recipe.stages, start=1):
        place = Path(out) / f"stage-{number}"
        logger.info("%s: stage %d of %d", recipe.name, number, len(recipe.stages))
        with main_first(processor):
            material = with_blends(crops, stage.blends, stage.config.seed, stage.bend)
        if is_main_process() and not (place / FINAL).exists():
            final.unlink(missing_ok=True)  # of a recipe with fewer stages
        embedder = distill(stage.config, material, taught_by, run_dir=place, device=device, start=start)
        start = place / FINAL
    if start is not None and is_main_process():
        write_atomically(final, start.read_bytes())
    return embedder


def _recipe(content: Mapping[str, Any], data: Path) -> Recipe:
    unknown = content.keys() - KEYS
    if unknown:
        raise ConfigError(f"it says {', '.join(sorted(unknown))}; it can say {', '.join(KEYS)}")
    if not isinstance(content["name"], str) or not all(
        isinstance(content[k], list) for k in ("teachers", "data")
    ):
        raise ConfigError("name is a text, teachers a list of texts, and [[data]] has two brackets")
    common = content.get("run", {})
    stages = tuple(_stage({**common, **stage}) for stage in content.get("stage", [{}]))
    teachers = tuple(_placed(name, data) for name in content["teachers"])
    sources = tuple(_source(entry, data) for entry in content["data"])
    if not (stages and teachers and sources):
        raise ConfigError("it needs teachers, data and at least one stage")
    return Recipe(content["name"], teachers, sources, stages)


def _stage(settings: dict[str, Any]) -> Stage:
    blends, bend = settings.pop("blends", 0), settings.pop("bend", 0.0)
    check_blends(blends, bend)
    return Stage(DistillConfig(**settings), blends, bend)


def _placed(name: str, data: Path) -> str:
    """A teacher that is a file lies in the data folder; others go by name."""
    return str(data / name) if Path(name).suffix in (".onnx", ".safetensors") else name


def _source(entry: Mapping[str, Any], data: Path) -> Source:
    fields = dict(entry)
    fields["folder"] = data / fields["folder"]
    if "roles" in fields:
        fields["roles"] = data / fields["roles"]
    if "frame" in fields:
        fields["frame"] = tuple(fields["frame"])
    return Source(**fields)
