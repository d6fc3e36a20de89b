"""Made-up people as a folder: one sub-folder each, and a manifest that says where every photo comes from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from generative import curation
from generative.synthesis import Candidates, Sitter, Synthesizer
from recog import checkpoints
from recog.errors import ConfigError, DataError, WriteFailed
from recog.images import png
from recog.records import clean_name

CALL, MANIFEST, REJECTED = "call.json", "manifest.jsonl", "rejected.jsonl"
COMMON = (
    "asked",
    "max_similarity",
    "similarity_window",
    "spread",
    "weights",
)  # parts of a call that each line repeats
Line = dict[str, Any]


def check_target(out: Path, identities: Iterable[str] = (), call: Mapping[str, Any] | None = None) -> None:
    """Whether `out` can take made-up photos of these people: worth asking before they are made.

    Args:
        call: what is known so far of what is asked for, JSON-able; see `PeopleFolder`.
    Raises: ConfigError: an identity cannot name a folder; DataError: `out` holds something else already,
    which would mix with these photos.
    """
    for identity in identities:  # a name such as ../x would write outside of the folder
        if clean_name(identity) in (".", "..") or any(character in identity for character in "/\\"):
            raise ConfigError(f"{identity!r} cannot name a folder. Choose a name without / and \\.")
    if not out.is_dir() or not any(out.iterdir()):
        return
    asked = json.loads(json.dumps(call or {}))
    if not (out / CALL).is_file():
        raise DataError(f"{out} is not empty. Choose another --out: old and new photos must not mix.")
    before = json.loads((out / CALL).read_text())
    others = sorted(name for name in asked if before.get(name) != asked[name])
    if others:
        raise DataError(
            f"{out} is not empty, and its photos were made with other settings ({', '.join(others)}). Repeat "
            f"that call, which {CALL} in it describes, to go on with it, or choose another --out."
        )


class PeopleFolder:
    """A folder that is filled with made-up people: <identity>/<nnnn>.png, and JSON lines of what they are.

    manifest.jsonl has a line for each photo: file, identity, source, conditions (what the photo was drawn to
    show), seed, candidate (its number among those made of the person), candidates (how many were made),
    scores, asked (what of the conditions was asked for), max_similarity (of people who do not exist),
    similarity_window, spread, weights (digest). rejected.jsonl has one for each candidate that was not kept,
    without file and with the reason. Who is whole stays when the same call is made again; who is not is made
    anew.
    """

    def __init__(self, out: Path, call: Mapping[str, Any], synthesizer: Synthesizer) -> None:
        """Begin the folder, or go on with it.

        Args:
            call: all that decides what the photos will be, by name, JSON-able.
        Raises: DataError: `out` holds something else already; WriteFailed.
        """
        self.out, self.synthesizer = out, synthesizer
        self.call = {
            **call,
            "weights": synthesizer.digest,
            "model": synthesizer.embedder.digest,
            "spread": synthesizer.spread,
            "similarity_window": [synthesizer.window.low, synthesizer.window.high],
        }
        check_target(out, call=self.call)
        self.photos: dict[str, list[Line]] = {}  # by identity: the lines of the manifest about who is whole
        self._take_up()
        checkpoints.write_atomically(out / CALL, (json.dumps(self.call, indent=2) + "\n").encode())

    def add(self, made: Candidates) -> None:
        """Write what is kept of a person, photo by photo, and then why the rest is not.

        Raises: ConfigError: the identity cannot name a folder; WriteFailed.
        """
        check_target(self.out, [made.sitter.identity])
        person, window = made.person, self.synthesizer.window
        lines = []
        for row, candidate in enumerate(made.kept.tolist()):
            file = f"{made.sitter.identity}/{row:04d}.png"
            checkpoints.write_atomically(self.out / file, png(person.images[row]))
            lines.append(self._line(made, candidate, file, person.scores.described(row, window)))
            self._append(MANIFEST, lines[-1])
        for candidate, reason in curation.reasons(made.scores, made.kept, window).items():
            line = self._line(made, candidate, None, made.scores.described(candidate, window))
            self._append(REJECTED, {**line, "reason": reason})
        self.photos[made.sitter.identity] = lines

    def fill(self, sitters: Iterable[Sitter], photos: int, **how: Any) -> Iterator[Sitter]:
        """Make so many photos of each sitter who has none yet; yields each as the folder has the photos.

        Args:
            how: as of `Synthesizer.sitting`.
        Raises: as `add`, `Synthesizer.sitting`.
        """
        for sitter in sitters:
            if sitter.identity not in self.photos:
                self.add(self.synthesizer.sitting(sitter, photos, **how))
            yield sitter

    def _line(self, made: Candidates, candidate: int, file: str | None, scores: Mapping[str, Any]) -> Line:
        return {
            "file": file,
            "identity": made.sitter.identity,
            "source": made.sitter.source,
            "conditions": self.synthesizer.vocabulary.described(made.attributes[candidate]),
            "seed": made.sitter.seed,
            "candidate": candidate,
            "candidates": len(made.images),
            "scores": dict(scores),
            **{name: self.call[name] for name in COMMON if name in self.call},
        }

    def _append(self, name: str, line: Line) -> None:
        try:
            with (self.out / name).open("a") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise WriteFailed(
                f"{self.out / name}: cannot be written ({error.strerror}). Free some space, and call again."
            ) from error

    def _take_up(self) -> None:
        """Take in who is whole already, and drop the lines of those of whom something is missing."""
        listed = {name: _lines(self.out / name) for name in (MANIFEST, REJECTED)}
        found: dict[str, int] = {}
        for line in (*listed[MANIFEST], *listed[REJECTED]):
            there = line["file"] is None or (self.out / line["file"]).is_file()
            found[line["identity"]] = found.get(line["identity"], 0) + there
        for name, lines in listed.items():
            whole = [line for line in lines if found[line["identity"]] == line["candidates"]]
            if (self.out / name).is_file():
                text = "".join(f"{json.dumps(line)}\n" for line in whole)
                checkpoints.write_atomically(self.out / name, text.encode())
            for line in whole if name == MANIFEST else ():
                self.photos.setdefault(line["identity"], []).append(line)


def _lines(file: Path) -> list[Line]:
    """The JSON lines of a file, but for one that was cut off."""
    return [json.loads(line) for line in file.read_text().split("\n")[:-1]] if file.is_file() else []
