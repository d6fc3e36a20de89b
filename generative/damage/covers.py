"""What hides parts of an aligned face: holes, strokes, and things that people wear.

Worn things are drawn around the landmarks of the template (`recog.alignment.template`), at which the features
of every aligned face lie; `size` is 1 as they are usually worn.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generative.damage.optics import SIDE
from generative.damage.parts import Damaged, between
from recog.alignment import template

Places = NDArray[np.float64]  # (N, 2) px, x and y
Plan = tuple[NDArray[np.float32], NDArray[np.float32]]  # (S, S) 0..1 covered; (S, S, 3) -1..1 by what
FOLDS = 4  # px of a 64 px face: between the folds of cloth, at the least
SMOOTH = 4  # times finer than the face, shapes are drawn


def hole(images: Tensor, side: float, rng: torch.Generator) -> Damaged:
    """Cut a square of `side` (share of S; 0.375 is 24 px of 64) at a random place, set to 0 (grey)."""
    batch, _, size, _ = images.shape
    width = max(1, round(side * size))
    corner = (torch.rand(batch, 2, 1, generator=rng) * (size - width + 1)).long().clamp(max=size - width)
    place = torch.arange(size)
    inside = (place >= corner) & (place < corner + width)  # (B, 2, S)
    missing = (inside[:, 0, :, None] & inside[:, 1, None, :])[:, None].to(images)
    return Damaged(images * (1 - missing), missing)


def strokes(images: Tensor, share: float, rng: torch.Generator) -> Damaged:
    """Paint free-form strokes, grey, until they cover `share` of the face."""
    size = images.shape[-1]
    missing = np.stack([_scribbled(size, share, rng) for _ in images])
    covered = torch.from_numpy(missing)[:, None].to(images)
    return Damaged(images * (1 - covered), covered)


def mask(images: Tensor, size: float, rng: torch.Generator) -> Damaged:
    """A medical mask over mouth, chin and half the nose."""
    return _worn(images, size, rng, _mask)


def sunglasses(images: Tensor, size: float, rng: torch.Generator) -> Damaged:
    """Dark glasses: two lenses, a bridge, and temples to the border."""
    return _worn(images, size, rng, _sunglasses)


def scarf(images: Tensor, size: float, rng: torch.Generator) -> Damaged:
    """A scarf around everything below the nose."""
    return _worn(images, size, rng, _scarf)


def coloured(images: Tensor, covered: Tensor, rng: torch.Generator) -> Tensor:
    """Faces whose covered pixels have a colour each instead of grey, half of them with grain in it."""
    batch = len(images)
    colours = torch.rand(batch, 3, 1, 1, generator=rng) * 2 - 1
    colours[torch.rand(batch, generator=rng) < 0.4] = -1.0  # black is what files and pens leave most
    grain = torch.rand(images.shape, generator=rng) * 2 - 1
    grainy = (torch.rand(batch, 1, 1, 1, generator=rng) < 0.5) * between(0, 0.5, rng)
    paint = (colours + grainy * grain).clamp(-1, 1).to(images)
    return torch.where(covered > 0, paint, images)


def _scribbled(size: int, share: float, rng: torch.Generator) -> NDArray[np.float32]:
    """(S, S): lines of a few bends, of random width."""
    canvas = np.zeros((size, size), np.uint8)
    while canvas.mean() < share:
        width = max(1, round(size * between(0.04, 0.14, rng)))
        place = torch.rand(2, generator=rng).numpy() * size
        heading = between(0, 2 * np.pi, rng)
        for _ in range(int(between(2, 6, rng))):
            heading += between(-1.2, 1.2, rng)
            reach = size * between(0.08, 0.3, rng)
            after = place + reach * np.array([np.cos(heading), np.sin(heading)])
            ends = [tuple(int(v) for v in point) for point in (place, after)]
            cv2.line(canvas, ends[0], ends[1], 1, width)
            place = np.clip(after, 0, size - 1)
    return canvas.astype(np.float32)


def _worn(
    images: Tensor,
    size: float,
    rng: torch.Generator,
    drawn: Callable[[int, float, torch.Generator], Plan],
) -> Damaged:
    plans = [drawn(images.shape[-1], size, rng) for _ in images]
    opaque = torch.from_numpy(np.stack([plan[0] for plan in plans]))[:, None].to(images)
    cloth = torch.from_numpy(np.stack([plan[1] for plan in plans])).permute(0, 3, 1, 2).to(images)
    return Damaged((1 - opaque) * images + opaque * cloth, (opaque > 0).to(images))


def _mask(side: int, size: float, rng: torch.Generator) -> Plan:
    eyes, nose, mouth, across, down = _features(side)
    top = nose - down * 0.25 * size * between(0.7, 1.3, rng)
    bottom = mouth + down * 0.75 * size
    half = across * 0.95 * size
    outline = np.array(
        [
            top - 0.25 * half,
            top + 0.25 * half,
            nose + half,
            mouth + 0.95 * half,
            bottom + 0.55 * half,
            bottom - 0.55 * half,
            mouth - 0.95 * half,
            nose - half,
        ]
    )
    shape = _filled(side, [outline])
    for end in (half, -half):  # straps to the ears
        shape = np.maximum(shape, _line(side, nose + end, eyes + 2 * end, 0.02 * side))
    colours = ((0.85, 0.9, 0.95), (0.3, 0.55, 0.75), (0.08, 0.08, 0.08), (0.75, 0.75, 0.75))
    return shape, _cloth(side, _one_of(colours, rng), rng)


def _sunglasses(side: int, size: float, rng: torch.Generator) -> Plan:
    eyes, _, _, across, down = _features(side)
    height = eyes + 0.04 * down
    wide, high = 0.52 * size * between(0.9, 1.1, rng), 0.4 * size * between(0.85, 1.15, rng)
    axes = (np.linalg.norm(across) * wide, np.linalg.norm(across) * high)
    shape = np.zeros((side, side), np.float32)
    corners = between(2.0, 5.0, rng)  # of a superellipse: from round lenses to square ones
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    cos, sin = np.cos(angles), np.sin(angles)
    bent = np.stack(
        [np.sign(cos) * np.abs(cos) ** (2 / corners), np.sign(sin) * np.abs(sin) ** (2 / corners)], axis=1
    )
    for end in (across / 2, -across / 2):
        shape = np.maximum(shape, _filled(side, [height + end + bent * axes]))
        shape = np.maximum(shape, _line(side, height + end * 1.6, height + end * 3, 0.025 * side))
    shape = np.maximum(shape, _line(side, height - across / 4, height + across / 4, 0.03 * side))
    colours = ((0.03, 0.03, 0.03), (0.12, 0.07, 0.04), (0.08, 0.1, 0.16))
    return shape, _cloth(side, _one_of(colours, rng), rng, folds=0.0)


def _scarf(side: int, size: float, rng: torch.Generator) -> Plan:
    _, nose, mouth, across, down = _features(side)
    edge = nose + (mouth - nose) * (0.45 / size) * between(0.6, 1.2, rng)
    dip = down * 0.12 * between(-1, 1, rng)
    far = across * 4
    outline = np.array([edge - far, edge + dip, edge + far, edge + far + 4 * down, edge - far + 4 * down])
    colour = tuple(torch.rand(3, generator=rng).tolist())
    return _filled(side, [outline]), _cloth(side, colour, rng)


def _features(side: int) -> tuple[Places, Places, Places, Places, Places]:
    """Between the eyes, the nose, the mouth, and as vectors from eye to eye and from eyes to mouth."""
    left, right, nose, *corners = template(side)
    eyes, mouth = (left + right) / 2, np.mean(corners, axis=0)
    return eyes, nose, mouth, right - left, mouth - eyes


def _cloth(
    side: int, colour: tuple[float, ...], rng: torch.Generator, folds: float = 0.15
) -> NDArray[np.float32]:
    """(S, S, 3) in -1..1: a colour 0..1, with shading as of folds and of light from a side."""
    shade = torch.rand(round(SIDE / FOLDS) + 1, 2, generator=rng).numpy().astype(np.float32)
    folded = cv2.resize(shade, (side, side), interpolation=cv2.INTER_CUBIC) - 0.5
    slope = np.linspace(-0.5, 0.5, side, dtype=np.float32)[None] * between(-0.3, 0.3, rng)
    light = 1 + 2 * folds * folded + slope
    light = light * between(0.7, 1.1, rng)
    return np.clip(np.array(colour, np.float32) * light[..., None], 0, 1).astype(np.float32) * 2 - 1


def _filled(side: int, outlines: list[Places]) -> NDArray[np.float32]:
    """(S, S) how much of each pixel is inside."""
    canvas = np.zeros((side * SMOOTH, side * SMOOTH), np.float32)
    cv2.fillPoly(canvas, [np.rint((outline + 0.5) * SMOOTH).astype(np.int32) for outline in outlines], 1.0)
    return np.asarray(cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA), np.float32)


def _line(side: int, start: Places, end: Places, width: float) -> NDArray[np.float32]:
    canvas = np.zeros((side * SMOOTH, side * SMOOTH), np.float32)
    first, last = (tuple(np.rint((point + 0.5) * SMOOTH).astype(int).tolist()) for point in (start, end))
    cv2.line(canvas, first, last, 1.0, max(1, round(width * SMOOTH)))
    return np.asarray(cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA), np.float32)


def _one_of(colours: tuple[tuple[float, ...], ...], rng: torch.Generator) -> tuple[float, ...]:
    return colours[int(torch.randint(len(colours), (), generator=rng))]
