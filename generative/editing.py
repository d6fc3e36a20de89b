"""Faces changed: other attributes or another age, or another person altogether."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generative.conditions import AGE, Encoded
from generative.data import condition
from generative.pasting import CROP, Landmarks, replace_face
from generative.reading import AttributeReader
from generative.synthesis import Synthesizer
from recog.alignment import align
from recog.calibration import from_card
from recog.device import autocast
from recog.embedding import Embedder
from recog.errors import ConfigError, GalleryError
from recog.pixels import from_uint8, to_uint8
from recog.types import FMR

# How many times what was learned edits change, by method. Chosen on 240 photos of people of role `tune`: for
# the conditional one 1, 2 and 3 times turned 26, 62 and 80 % of smiles, and left cosines to the original of
# 0.96, 0.88 and 0.78.
STRENGTHS = {"conditional": 2.0, "latent": 3.0}
METHODS = tuple(STRENGTHS)
BATCH = 32  # faces a forward pass
STRANGERS = 16  # people made up for each face that is replaced; the least alike is taken
RETRIES = 4  # other seeds that are tried where a replaced face is still recognised
Crops = NDArray[np.uint8]  # (B, S, S, 3)


class Editor:
    """A VAE that takes faces apart into identity, attributes and the rest, and puts them together again."""

    def __init__(self, synthesizer: Synthesizer, reader: AttributeReader) -> None:
        self.synthesizer, self.reader = synthesizer, reader
        self._network = synthesizer.encoding("Editing")

    @classmethod
    def load(
        cls,
        generator: str | Path = "bundled-vae",
        embedder: Embedder | None = None,
        reader: str | Path = "bundled",
        device: str = "auto",
    ) -> Editor:
        """Load a VAE, the embedder that conditions it (default: the bundled one), and a reader of attributes.

        Raises: ConfigError: the generator has no encoder; as `Synthesizer.load`, `AttributeReader.load`.
        """
        conditioning = embedder or Embedder.load("bundled", device)
        return cls(Synthesizer.load(generator, conditioning, device), AttributeReader.load(reader, device))

    def changes(
        self,
        crops: Crops,
        wanted: Mapping[str, float],
        *,
        method: str = "conditional",
        strength: float | None = None,
    ) -> NDArray[np.float32]:
        """What to add to aligned crops so that they show what is wanted.

        The difference of two reconstructions, so that what the VAE cannot draw stays as it is on the crops.

        Args:
            crops: (B, S, S, 3) uint8 RGB. wanted: attributes and age, as `conditions.parse` gives them.
            method: conditional: decode with other attributes; latent: move the code along the direction in
                which faces with an attribute differ from faces without.
            strength: times what was learned; None: as usual for the method (`STRENGTHS`). More changes more,
                and leaves less of the person.
        Returns: (B, S, S, 3) float32 levels to add.
        Raises: ConfigError: an unknown method, or attribute.
        """
        if method not in METHODS:
            raise ConfigError(f"method is {method!r}; give one of {', '.join(METHODS)}.")
        asked = self.synthesizer.vocabulary.implied(wanted)
        small, centres, shown = self._taken_apart(crops)
        if method == "conditional":
            other = self._with(shown, asked)
            code = self._codes(small, centres, shown)
            before, after = self._faces(code, centres, shown), self._faces(code, centres, other)
        else:
            nothing = np.zeros_like(shown)
            code = self._codes(small, centres, nothing)
            moved = code + self._direction(shown, asked)
            before, after = self._faces(code, centres, nothing), self._faces(moved, centres, nothing)
        times = STRENGTHS[method] if strength is None else strength
        change = times * (after.astype(np.float32) - before)
        size = crops.shape[1]
        return np.stack([cv2.resize(one, (size, size), interpolation=cv2.INTER_CUBIC) for one in change])

    def edited(
        self,
        crops: Crops,
        wanted: Mapping[str, float],
        *,
        method: str = "conditional",
        strength: float | None = None,
    ) -> Crops:
        """Aligned crops as wanted; arguments and errors as of `changes`."""
        change = self.changes(crops, wanted, method=method, strength=strength)
        changed: Crops = np.clip(np.rint(crops + change), 0, 255).astype(np.uint8)
        return changed

    def replaced(self, crops: Crops, seed: int = 0) -> tuple[Crops, NDArray[np.float32]]:
        """The faces of people who do not exist in place of those of crops (B, S, S, 3).

        Pose, expression and light are kept as far as the code holds them; the person is made up, of the same
        apparent sex and age. Each crop draws its own strangers: whom it gets does not depend on the others.

        Returns: (B, G, G, 3) uint8 RGB at the generator's size; (B,) cosine of the new faces to the old, by
        the embedder, before they are on a photo, where some of the old ones is left (see `anonymized`).
        """
        small, centres, shown = self._taken_apart(crops)
        codes = self._codes(small, centres, shown)
        new, alike = [], []
        for row in range(len(crops)):
            rng = torch.Generator().manual_seed(_seed_of(crops[row], seed))
            kept = self._kept(shown[row])
            others = self.synthesizer.people.draw(STRANGERS, rng, kept).numpy()
            codes_of, shown_of = (np.repeat(x[row][None], STRANGERS, axis=0) for x in (codes, shown))
            faces = self._faces(codes_of, others, shown_of)
            cosines = self.synthesizer.embedder.embed(faces) @ centres[row]
            best = int(cosines.argmin())
            new.append(faces[best])
            alike.append(float(cosines[best]))
        return np.stack(new), np.array(alike, np.float32)

    def anonymized(
        self, image: NDArray[np.uint8], landmarks: Sequence[Landmarks], seed: int = 0
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """A photo (H, W, 3) with the faces of people who do not exist in place of those at these landmarks.

        What is around a face stays, and a model may know somebody by it. A face that it still recognises is
        replaced by others, and of all tried the least alike is taken; it may be recognised all the same.

        Args:
            landmarks: (5, 2) px for each of F faces, F >= 1.
        Returns: (H, W, 3) uint8 RGB; (F,) cosine of each face, cut from this photo, to what was there before.
        """
        crops = _cut(image, landmarks)
        before = self.synthesizer.embedder.embed(crops)
        chosen = [crops[0]] * len(crops)
        least = np.full(len(crops), np.inf, np.float32)
        left = list(range(len(crops)))
        for attempt in range(1 + RETRIES):
            made, _ = self.replaced(crops[left], seed + attempt * 1_000_003)
            for row, face in zip(left, made, strict=True):
                alone = _cut(replace_face(image, landmarks[row], face), landmarks[row : row + 1])
                cosine = float(self.synthesizer.embedder.embed(alone)[0] @ before[row])
                if cosine < least[row]:
                    least[row], chosen[row] = cosine, face
            left = np.flatnonzero(self.recognised(least)).tolist()
            if not left:
                break
        changed = image
        for points, face in zip(landmarks, chosen, strict=True):
            changed = replace_face(changed, points, face)
        after = self.synthesizer.embedder.embed(_cut(changed, landmarks))
        return changed, np.asarray((after * before).sum(axis=1), np.float32)

    def recognised(self, cosines: NDArray[np.float32]) -> NDArray[np.bool_]:
        """(F,) whether the embedder takes two faces for one person; False where there is no `threshold`."""
        return cosines >= (np.inf if self.threshold is None else self.threshold)

    @cached_property
    def threshold(self) -> float | None:
        """Cosine from which two faces are one person, FMR 1e-3, by the embedder's card; None: it has none."""
        try:
            return from_card(self.synthesizer.embedder.card, "verify", FMR, (0, 0)).threshold
        except GalleryError:
            return None

    def between(self, first: Crops, second: Crops, steps: int) -> Crops:
        """The way from one crop (S, S, 3) to another through codes, centres and attributes.

        Returns: (steps, G, G, 3), reconstructions of the two at either end.
        """
        small, centres, shown = self._taken_apart(np.stack([first, second]))
        codes = self._codes(small, centres, shown)
        share = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
        code, centre, attributes = ((1 - share) * x[:1] + share * x[1:] for x in (codes, centres, shown))
        return self._faces(code, centre / np.linalg.norm(centre, axis=1, keepdims=True), attributes)

    def _taken_apart(self, crops: Crops) -> tuple[Crops, NDArray[np.float32], Encoded]:
        """Crops at the generator's size, their vectors, and what they show."""
        size = self.synthesizer.image_size
        small = np.stack([cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA) for crop in crops])
        centres = self.synthesizer.embedder.embed(crops)
        read = self.reader.vocabulary.values(self.reader.read(crops))
        for name in self.synthesizer.vocabulary.attributes:
            if name in read:
                read[name] = np.sign(read[name])
        return small.astype(np.uint8), centres, self.synthesizer.vocabulary.encoded(read, len(crops))

    def _with(self, shown: Encoded, asked: Mapping[str, float]) -> Encoded:
        """What faces show, but for what is asked."""
        vocabulary = self.synthesizer.vocabulary
        values = vocabulary.values(shown)
        for name, value in asked.items():
            values[name] = np.full(len(shown), value)
        return vocabulary.encoded(values, len(shown))

    def _direction(self, shown: Encoded, asked: Mapping[str, float]) -> NDArray[np.float32]:
        """(B, Z) where to move codes of faces that show this."""
        vocabulary, directions = self.synthesizer.vocabulary, self.synthesizer.directions
        if directions is None:
            raise ConfigError("This generator carries no latent directions. Take method 'conditional'.")
        values = vocabulary.values(shown)
        moves = np.zeros((len(shown), directions.shape[1]), np.float32)
        for name, value in asked.items():
            lacking = np.nan_to_num(value - values[name])
            unit = 1.0 if name == AGE else 2.0  # directions are a year, or from without to with
            moves += (lacking / unit)[:, None].astype(np.float32) * directions[vocabulary.names.index(name)]
        return moves

    def _kept(self, shown: Encoded) -> dict[str, float]:
        """What a replaced person keeps: apparent sex and age."""
        said = self.synthesizer.vocabulary.described(shown)
        return {name: said[name] for name in ("Male", AGE) if name in said}

    @torch.inference_mode()
    def _codes(self, small: Crops, centres: NDArray[np.float32], shown: Encoded) -> NDArray[np.float32]:
        device, found = self.synthesizer.device, []
        for at in range(0, len(small), BATCH):
            rows = slice(at, at + BATCH)
            with autocast(device):
                mean, _ = self._network.encode(
                    from_uint8(small[rows], device), self._given(centres[rows], shown[rows])
                )
            found.append(mean.float().cpu().numpy())
        return np.concatenate(found)

    @torch.inference_mode()
    def _faces(self, codes: NDArray[np.float32], centres: NDArray[np.float32], shown: Encoded) -> Crops:
        device, found = self.synthesizer.device, []
        for at in range(0, len(codes), BATCH):
            rows = slice(at, at + BATCH)
            code = torch.from_numpy(np.ascontiguousarray(codes[rows])).to(device)
            with autocast(device):
                found.append(to_uint8(self._network(code, self._given(centres[rows], shown[rows]))))
        return np.concatenate(found)

    def _given(self, centres: NDArray[np.float32], shown: Encoded) -> Tensor:
        parts = (torch.from_numpy(np.ascontiguousarray(x, np.float32)) for x in (centres, shown))
        return condition(*parts).to(self.synthesizer.device)


def _cut(image: NDArray[np.uint8], landmarks: Sequence[Landmarks]) -> Crops:
    """(F, CROP, CROP, 3): the faces of a photo."""
    return np.stack([align(image, points, CROP) for points in landmarks])


def _seed_of(crop: NDArray[np.uint8], seed: int) -> int:
    """Another one for each crop, the same for the same."""
    sha = hashlib.sha256(f"{seed} {crop.shape}".encode() + np.ascontiguousarray(crop).tobytes())
    return int.from_bytes(sha.digest()[:7])
