"""`recog bench identify --commands`: the same question, asked as a person at a command line would.

    recog enroll --from FOLDER     the people of the test half
    recog calibrate FOLDER         thresholds at this gallery's size, on everybody of the other half
    recog query -                  other photos of the enrolled, then strangers

Each command is a process of its own; what is counted is what it printed.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.identification import CALIBRATED, Half, IdentifyPlan, listing, not_enrolled, share, split
from benchmarks.photos import people_of, subject
from benchmarks.rows import Measurement, Row, label, origin
from recog import images
from recog.cli.options import DONE, NO, PARTLY
from recog.errors import DataError

logger = logging.getLogger(__name__)

# arguments, standard input -> exit code, standard output, standard error
Call = Callable[[Sequence[str], str], tuple[int, str, str]]
Record = dict[str, Any]
ANSWERED = frozenset({DONE, NO, PARTLY})  # exit codes of a command whose output is whole


def in_a_process(arguments: Sequence[str], stdin: str) -> tuple[int, str, str]:
    """Run `recog` as the shell would; its warnings and failures stay readable."""
    done = subprocess.run(
        [sys.executable, "-m", "recog", *arguments], input=stdin, capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


def identify(
    folder: Path,
    plan: IdentifyPlan,
    *,
    model: str = "bundled",
    device: str = "auto",
    call: Call = in_a_process,
) -> list[Row]:
    """Enroll, calibrate and query through the command line; errors are counted on the test half.

    Args:
        folder: original photos, one sub-folder a person.
        call: runs one command.
    Raises: DataError: too few people (see `split`), or a command failed.
    """
    started = time.perf_counter()
    other, tested = split(people_of(folder), plan)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        shell = Shell(call, ["--gallery", str(place / "people.gallery"), "--json"])
        on = ["--device", device]
        enrolled = _linked(place / "enrolled", tested.enrolled)
        added = shell("enroll", "--from", enrolled, "--largest", "--model", model, *on)
        others = _linked(place / "others", _everybody(other, folder))
        thresholds = shell("calibrate", others, "--fpir", plan.fpir, "--fmr", plan.fmr, *on)
        mated = shell("query", "-", "-k", 1, *on, stdin=[photo for _, photo in tested.probes])
        strangers = shell("query", "-", "-k", 1, *on, stdin=tested.strangers)
        used = shell("info")[0]
    protocol = (
        f"open set through the command line: {plan.people} people x {plan.enroll_photos} photos enrolled; "
        f"calibrated on the other half for FPIR {plan.fpir:g}"
    )
    source = origin(
        "identify",
        protocol,
        label(folder),
        {"plan": asdict(plan), "model": used["digest"], "photos": listing(folder)},
        device,
    )
    threshold = next(t["threshold"] for t in thresholds if t["purpose"] == "query")
    return source.rows(
        _errors(tested, added, mated, strangers, threshold),
        arm=f"{used['model']}, {CALIBRATED}",
        seed=plan.seed,
        model=used["digest"],
        seconds=time.perf_counter() - started,
    )


class Shell:
    """Calls commands with the options they share, and reads their JSON."""

    def __init__(self, call: Call, options: list[str]) -> None:
        self.call, self.options = call, options

    def __call__(self, *arguments: object, stdin: Iterable[Path] = ()) -> list[Record]:
        """The objects that a command printed.

        Raises: DataError: it could not do anything, was killed on the way, or printed nothing.
        """
        words = [str(argument) for argument in arguments] + self.options
        logger.info("recog %s", " ".join(words))
        code, out, err = self.call(words, "".join(f"{os.fspath(path)}\n" for path in stdin))
        if code not in ANSWERED or not out.strip():
            why = err.strip() or "it did not say why. Call it by hand to see more."
            raise DataError(f"recog {words[0]} ended with code {code}: {why}")
        return [json.loads(line) for line in out.splitlines()]


def _errors(
    tested: Half, added: list[Record], mated: list[Record], strangers: list[Record], threshold: float
) -> list[Measurement]:
    answers = _of_subjects(mated)
    truth = np.array([name for name, _ in tested.probes])
    found = [answers.get(str(photo)) for _, photo in tested.probes]
    missed = [a is None or a["identity"] != name for a, name in zip(found, truth, strict=True)]
    first = [
        a is not None and a["candidates"][0]["identity"] == name for a, name in zip(found, truth, strict=True)
    ]
    matched = {photo for photo, answer in _of_subjects(strangers).items() if answer["status"] == "match"}
    named = np.array([str(photo) in matched for photo in tested.strangers])
    failed = [len(person["failed"]) for person in added]
    counts = [(n, n + person["added"] + person["skipped"]) for n, person in zip(failed, added, strict=True)]
    return [
        share("FPIR (strangers matched)", named, np.arange(len(named)), threshold),
        share("FNIR (enrolled missed)", np.array(missed), truth, threshold),
        share("rank-1", np.array(first), truth),
        not_enrolled(counts),
    ]


def _of_subjects(answers: list[Record]) -> dict[str, Record]:
    """The answer for the person each photo is of; photos without a face have none."""
    seen: dict[str, list[Record]] = {}
    for answer in answers:
        if answer["box"] is not None:
            seen.setdefault(answer["photo"], []).append(answer)
    return {
        photo: several[subject([a["box"] for a in several], images.read(photo).shape)]
        if len(several) > 1
        else several[0]
        for photo, several in seen.items()
    }


def _everybody(half: Half, folder: Path) -> Mapping[str, list[Path]]:
    """The photos of a half's people, strangers included; `folder` holds a sub-folder of each."""
    people = {name: list(photos) for name, photos in half.enrolled.items()}
    for name, photo in half.probes:
        people[name].append(photo)
    return people | {photo.relative_to(folder).parts[0]: [photo] for photo in half.strangers}


def _linked(target: Path, people: Mapping[str, list[Path]]) -> Path:
    """A folder with one sub-folder a person, of links to the photos; numbered, for names may repeat."""
    for name, photos in people.items():
        home = target / name
        home.mkdir(parents=True)
        for number, photo in enumerate(photos):
            (home / f"{number:04d}{photo.suffix}").symlink_to(photo.resolve())
    return target
