"""`recog bench verify`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.cli.common import out_option, path_type, print_rows, roles_option
from recog.cli.options import device_option, flip_option, json_option

if TYPE_CHECKING:
    from benchmarks.exams import Exam

PEERS = ("face_recognition",)  # see benchmarks.peers
DAMAGES = ("lowres8", "occlusion30", "motion15", "noise25")  # see benchmarks.damages


@click.command()
@click.option("--images", type=path_type, required=True, help="Folder of photos, one sub-folder a person.")
@click.option("--pairs", type=path_type, help="LFW's pairs.txt, or a CSV a,b,same[,fold].")
@click.option("--all-pairs", is_flag=True, help="All pairs of a folder of aligned crops instead of a list.")
@click.option("--landmarks", type=path_type, help="Align by these published landmarks, not by detection.")
@click.option("--aligned", is_flag=True, help="The photos are aligned crops already.")
@roles_option
@click.option("--role", help="With --all-pairs: only people of this role.")
@click.option("--damage", type=click.Choice(DAMAGES), help="Damage aligned crops before they are embedded.")
@click.option("--groups", type=path_type, help="CSV of photos or people with a group: error rates by group.")
@click.option("--group-column", default="group", show_default=True, help="Its column that names the group.")
@flip_option
@click.option("--peer", type=click.Choice(PEERS), help="Another project's recogniser instead of --model.")
@click.option("--model", default="bundled", show_default=True, help="Name, weights file, or .onnx file.")
@click.option(
    "--onnx-mean",
    type=float,
    help="ONNX: taken from pixels 0..255.",
    show_default="what the file says, else 127.5",
)
@click.option(
    "--onnx-scale",
    type=float,
    help="ONNX: what the rest is divided by.",
    show_default="what the file says, else 128",
)
@click.option("--onnx-bgr", is_flag=True, help="ONNX: blue comes first.")
@click.option("--name", help="What reports call this model.  [default: its own name]")
@click.option("--resamples", default=1000, show_default=True, help="Of the bootstrap over identities.")
@out_option
@device_option
@json_option
def verify(
    images: Path,
    pairs: Path | None,
    all_pairs: bool,
    landmarks: Path | None,
    aligned: bool,
    damage: str | None,
    groups: Path | None,
    group_column: str,
    flip: bool,
    peer: str | None,
    roles: Path | None,
    role: str | None,
    model: str,
    onnx_mean: float | None,
    onnx_scale: float | None,
    onnx_bgr: bool,
    name: str | None,
    resamples: int,
    out: Path,
    device: str,
    as_json: bool,
) -> None:
    """Measure whether a model tells same from different.

    Photos go through detection and alignment; of several faces the largest central one counts. A photo
    without a face stays in the count: its mated pairs are misses, its non-mated pairs are refused.

    \b
    Example:
      recog bench verify --images lfw/images --pairs lfw/pairs.txt
      recog bench verify --images lfw/images --pairs lfw/pairs.txt --model other.onnx
      recog bench verify --images crops --all-pairs --roles roles.csv --role report
    """
    if (pairs is None) != all_pairs:
        raise click.UsageError("Give either --pairs FILE or --all-pairs.")
    if all_pairs and landmarks is not None:
        raise click.UsageError("--all-pairs takes aligned crops: leave out --landmarks.")
    if aligned and landmarks is not None:
        raise click.UsageError("Aligned crops need no --landmarks.")
    if damage is not None and not (aligned or all_pairs):
        raise click.UsageError("--damage is for aligned crops: pass --aligned or --all-pairs.")
    if (roles is None) != (role is None) or (roles is not None and not all_pairs):
        raise click.UsageError("--roles and --role go together, and with --all-pairs.")

    if peer is not None and (pairs is None or landmarks is not None or aligned):
        raise click.UsageError("--peer detects faces itself: give --pairs, and no --landmarks or --aligned.")
    if peer is not None and not flip:
        raise click.UsageError("--no-flip is for models of this toolkit: a peer embeds in its own way.")

    from benchmarks import peers, rows
    from benchmarks.damages import damaged
    from benchmarks.differentials import read_groups
    from benchmarks.verification import verify as measure
    from recog.alignment import TEMPLATE_SIZE
    from recog.embedders import load_embedder

    listed = read_groups(groups, group_column) if groups is not None else None
    if peer is not None and pairs is not None:
        judge = peers.PEERS[peer]()
        trials, scores = peers.examine(images, pairs, judge)
        known, digest, seconds, device = judge.name, judge.digest, 0.0, "cpu"
    else:
        embedder = load_embedder(model, device, mean=onnx_mean, scale=onnx_scale, bgr=onnx_bgr or None)
        # crops are taken as they are, and so are they damaged: an eighth of 96 px is less than of 112 px
        size = TEMPLATE_SIZE if all_pairs or aligned else embedder.crop_size
        exam = (
            _all(images, roles, role, size)
            if pairs is None
            else _listed(images, pairs, size, landmarks, aligned, device)
        )
        if damage is not None:
            exam = damaged(exam, damage)
        started = time.perf_counter()
        trials, scores = exam, exam.scores(embedder, flip)
        known, digest, seconds = embedder.name, embedder.digest, time.perf_counter() - started
    measured = measure(
        trials,
        scores,
        arm=name or known,
        model=digest,
        groups=listed,
        flip=flip,
        resamples=resamples,
        seconds=seconds,
        device=device,
    )
    print_rows(rows.append_all(out, measured), as_json)


def _all(images: Path, roles: Path | None, role: str | None, size: int) -> Exam:
    from benchmarks.exams import of_crops
    from benchmarks.materials import name_of
    from recog.training import open_crops

    crops = open_crops(images, size=size, roles=roles, role=role)
    return of_crops(crops, name_of(images, roles, role or ""))


def _listed(images: Path, pairs: Path, size: int, landmarks: Path | None, aligned: bool, device: str) -> Exam:
    from benchmarks.exams import of_pairs
    from recog.detection import Detector

    detector = None if aligned or landmarks else Detector(device)
    return of_pairs(images, pairs, size, detector=detector, landmarks=landmarks)
