"""What was there before networks: baselines that repair has to beat."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from benchmarks.repair.cases import Case, Crops, Masks
from generative import scaling

# all of these are the best of some on 150 photos of people who are not reported on (CelebA, role tune)
COMPONENTS = 400
FACES = 3000  # that eigenfaces are learned from, at most
SHRINKAGE = {
    "holes": 1e-3,
    "noise": 1e-4,
}  # what a pixel is off by, as a share of the first component's variance
NON_LOCAL = 0.7  # strength of the filter, of the noise's deviation
Repair = Callable[[Crops, Masks], Crops]


class Eigenfaces:
    """Principal components of faces (Turk and Pentland 1991), fitted to the pixels that are known."""

    def __init__(self, faces: Crops, seed: int = 0) -> None:
        """`faces`: (N, S, S, 3) that nobody is judged on."""
        rng = np.random.default_rng(seed)
        rows = rng.permutation(len(faces))[:FACES]
        levels = faces[np.sort(rows)].reshape(len(rows), -1).astype(np.float32)
        kept = min(COMPONENTS, len(rows) - 1)
        model = PCA(kept, svd_solver="randomized", random_state=seed).fit(levels)
        self.mean = model.mean_.astype(np.float32)
        self.components = model.components_.astype(np.float32)  # (K, P), orthonormal
        self.digest = hashlib.sha256(self.components.tobytes() + str(SHRINKAGE).encode()).hexdigest()[:12]
        self.variances = model.explained_variance_.astype(np.float32)

    def __call__(self, images: Crops, masks: Masks) -> Crops:
        """Faces made of components; where masks say so, only what is missing is taken from them."""
        shrinkage = SHRINKAGE["holes" if masks.any() else "noise"]
        pairs = zip(images, masks, strict=True)
        made = np.stack([self._face(image, mask, shrinkage) for image, mask in pairs])
        known = ~masks & masks.any(axis=(1, 2), keepdims=True)
        return np.where(known[..., None], images, made)

    def _face(self, image: NDArray[np.uint8], mask: NDArray[np.bool_], shrinkage: float) -> NDArray[np.uint8]:
        """The likeliest face given its known pixels: least squares, shrunk by how components vary."""
        missing = np.repeat(mask.ravel(), 3)
        rest = image.reshape(-1).astype(np.float32) - self.mean
        rest[missing] = 0
        hidden = self.components[:, missing]
        gram = np.eye(len(self.components), dtype=np.float32) - hidden @ hidden.T
        noise = shrinkage * self.variances.max() / self.variances
        code = np.linalg.solve(gram + np.diag(noise), self.components @ rest)
        face = self.mean + code @ self.components
        levels: NDArray[np.uint8] = np.clip(np.rint(face), 0, 255).astype(np.uint8)
        return levels.reshape(image.shape)


def inpainted(images: Crops, masks: Masks, how: int) -> Crops:
    """Missing pixels from those around them, by one of OpenCV's methods."""
    return np.stack([scaling.inpainted(*pair, how) for pair in zip(images, masks, strict=True)])


def gaussian(images: Crops, masks: Masks, sigma: float) -> Crops:
    """Blur of `sigma` px of 64, which noise suffers more from than faces."""
    del masks
    scaled = sigma * images.shape[1] / 64
    return np.stack([cv2.GaussianBlur(face, (0, 0), scaled) for face in images])


def non_local_means(images: Crops, masks: Masks, strength: float) -> Crops:
    """Means over patches that are alike (Buades et al. 2005)."""
    del masks
    swapped = np.ascontiguousarray(images[..., ::-1])  # OpenCV takes blue first
    made = [cv2.fastNlMeansDenoisingColored(face, None, strength, strength, 5, 15) for face in swapped]
    return np.ascontiguousarray(np.stack(made)[..., ::-1])


def sharpened(images: Crops, masks: Masks, sigma: float) -> Crops:
    """Unsharp masking: what a blur of `sigma` px of 64 takes away is doubled."""
    del masks
    scaled = sigma * images.shape[1] / 64
    blurred = [cv2.GaussianBlur(face, (0, 0), scaled) for face in images]
    pairs = zip(images, blurred, strict=True)
    return np.stack([cv2.addWeighted(face, 2.0, soft, -1.0, 0) for face, soft in pairs])


def baselines(case: Case, eigenfaces: Eigenfaces | None) -> dict[str, Repair]:
    """The baselines that suit a damage, by name; they know its kind and strength, which repair does not.

    Low resolution comes enlarged by bicubic interpolation: there the damaged face itself is a baseline.
    """
    found: dict[str, Repair] = {}
    if case.covers:
        found["Telea"] = partial(inpainted, how=cv2.INPAINT_TELEA)
        found["Navier-Stokes"] = partial(inpainted, how=cv2.INPAINT_NS)
    elif case.damage == "noise":
        found["non-local means"] = partial(non_local_means, strength=NON_LOCAL * case.strength)
        found["Gaussian"] = partial(gaussian, sigma=0.4 + 0.016 * case.strength)
    elif case.damage == "jpeg":
        found["non-local means"] = partial(non_local_means, strength=5.0)
        found["Gaussian"] = partial(gaussian, sigma=0.8)
    elif case.damage == "lowres":
        found["unsharp masking"] = partial(sharpened, sigma=0.3125 * case.strength)
    elif case.damage is not None:
        found["unsharp masking"] = partial(sharpened, sigma=2.5)
    if eigenfaces is not None and case.damage is not None:
        found["eigenfaces"] = eigenfaces
    return found
