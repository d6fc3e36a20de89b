"""Made-up people as a folder: one sub-folder each, and a manifest that says where every photo comes from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from generative.synthesis import Synthesizer, SyntheticPerson
from recog import checkpoints
from recog.errors import ConfigError, DataError
from recog.images import png
from recog.records import clean_name


def check_target(out: Path, identities: Iterable[str] = ()) -> None:
    """Whether `out` can take made-up photos of these people: worth asking before they are made.

    Raises: ConfigError: an identity cannot name a folder; DataError: `out` holds something already, which
    would mix with these photos.
    """
    for identity in identities:  # a name such as ../x would write outside of the folder
        if clean_name(identity) in (".", "..") or any(character in identity for character in "/\\"):
            raise ConfigError(f"{identity!r} cannot name a folder. Choose a name without / and \\.")
    if out.is_dir() and any(out.iterdir()):
        raise DataError(f"{out} is not empty. Choose another --out: old and new photos must not mix.")


def write(out: Path, people: Sequence[SyntheticPerson], synthesizer: Synthesizer) -> int:
    """Write people as `out`/<identity>/<nnnn>.png plus manifest.jsonl; returns the number of photos.

    A line of the manifest: file, identity, source, conditions, seed, weights (digest), scores.
    Raises: as `check_target`; WriteFailed.
    """
    check_target(out, [person.identity for person in people])
    lines = []
    for person in people:
        for index, image in enumerate(person.images):
            file = f"{person.identity}/{index:04d}.png"
            checkpoints.write_atomically(out / file, png(image))
            lines.append(json.dumps(_line(person, index, file, synthesizer)))
    checkpoints.write_atomically(out / "manifest.jsonl", "".join(f"{line}\n" for line in lines).encode())
    return len(lines)


def _line(person: SyntheticPerson, index: int, file: str, synthesizer: Synthesizer) -> dict[str, Any]:
    return {
        "file": file,
        "identity": person.identity,
        "source": person.source,
        "conditions": synthesizer.vocabulary.described(person.attributes[index]),
        "seed": person.seed,
        "weights": synthesizer.digest,
        "scores": person.scores.described(index, synthesizer.window),
    }
