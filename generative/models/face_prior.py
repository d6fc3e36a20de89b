"""A small Gaussian of faces: what is likeliest behind a mask, given the pixels around it.

Eigenfaces (Turk and Pentland 1991) as the first guess of a network: they know from the first step on where in
an aligned face the eyes are, and leave to the network what is sharp, or does not follow a line.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor, nn

from recog.pixels import from_uint8

FACES = 20_000  # that it is fitted to, at most
SHRINKAGE = 20.0  # the rest of the variance counts so often: neighbours are off by much the same (measured)


class FacePrior(nn.Module):
    """The likeliest face (B, 3, S, S), given some of its pixels."""

    mean: Tensor  # (P,), P = 3 * side^2
    basis: Tensor  # (K, P), principal components, each as long as its standard deviation
    noise: Tensor  # () variance that a pixel has beside them

    def __init__(self, side: int, components: int) -> None:
        """Of no face yet: `fit`, or load a state."""
        super().__init__()
        self.side = side
        self.register_buffer("mean", torch.zeros(3 * side**2))
        self.register_buffer("basis", torch.zeros(components, 3 * side**2))
        self.register_buffer("noise", torch.ones(()))

    @torch.no_grad()
    def fit(self, images: NDArray[np.uint8], seed: int = 0) -> None:
        """Of aligned faces (N, S, S, 3); components that there are too few faces for stay 0."""
        drawn = np.sort(np.random.default_rng(seed).permutation(len(images))[:FACES])
        parts = [
            F.adaptive_avg_pool2d(from_uint8(images[rows]), self.side)
            for rows in np.array_split(drawn, -(-len(drawn) // 512))
        ]
        faces = torch.cat(parts).flatten(1).numpy()
        kept = min(len(self.basis), len(faces) - 1)
        model = PCA(kept, svd_solver="randomized", random_state=seed).fit(faces)
        self.mean.copy_(torch.from_numpy(model.mean_))
        scaled = model.components_ * np.sqrt(model.explained_variance_)[:, None]
        self.basis.zero_()
        self.basis[:kept] = torch.from_numpy(scaled)
        rest = faces.var(axis=0).sum() - model.explained_variance_.sum()
        self.noise.copy_(torch.tensor(max(1e-6, SHRINKAGE * rest / faces.shape[1])))

    def forward(self, known: Tensor, missing: Tensor) -> Tensor:
        """Faces behind the missing pixels.

        Args:
            known: (B, 3, S, S) RGB in [-1, 1], 0 where missing. missing: (B, 1, S, S), 1 there, else 0.
        """
        with torch.autocast(known.device.type, enabled=False):
            seen = F.adaptive_avg_pool2d(1 - missing.float(), self.side)  # (B, 1, side, side)
            levels = F.adaptive_avg_pool2d(known.float(), self.side) / seen.clamp(min=1e-3)
            there = (seen > 0.5).float().expand_as(levels).flatten(1)  # (B, P)
            rest = (levels.flatten(1) - self.mean.float()) * there
            basis = self.basis.float()
            gram = torch.einsum("kp,bp,lp->bkl", basis, there, basis)
            own = torch.eye(len(basis), device=basis.device) * self.noise.float()
            code = torch.linalg.solve(gram + own, rest @ basis.T)  # (B, K)
            faces = (self.mean.float() + code @ basis).view(-1, 3, self.side, self.side)
            return F.interpolate(faces, size=known.shape[2:], mode="bilinear", align_corners=False)
