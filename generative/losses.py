"""Formulae only, each from its source; `generative.objectives` combines them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from generative.conditions import Vocabulary

SSIM_FACES = 16  # faces a step whose SSIM is measured
SSIM_WINDOW = 48  # px, side of the window it is measured in


def charbonnier(
    prediction: Tensor, target: Tensor, epsilon: float = 1e-3, weights: Tensor | None = None
) -> Tensor:
    """Mean of sqrt(d^2 + epsilon^2): L1 with a smooth bottom (Lai et al. 2017, arXiv:1704.03915, eq. 3).

    Args:
        weights: broadcast over the differences: how much each counts; None: all alike.
    """
    error = ((prediction.float() - target.float()).square() + epsilon**2).sqrt()
    if weights is None:
        return error.mean()
    shared = weights.expand_as(error)
    return (error * shared).sum() / shared.sum()


def psnr_error(
    prediction: Tensor, target: Tensor, floor: float | Tensor, weights: Tensor | None = None
) -> Tensor:
    """Mean over faces of the log of the mean squared error, in units of 10 dB (arXiv:2105.06086, eq. 1).

    Each face counts by how many times smaller its error becomes, little damaged ones as much as others.

    Args:
        prediction, target: (B, C, S, S).
        floor: a squared error, or (B,) of them: what is below it hardly counts.
        weights: as of `charbonnier`.
    """
    return torch.log10(face_errors(prediction, target, weights) + floor).mean()


def face_errors(prediction: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean squared error (B,) of each face (B, C, S, S); weights as of `charbonnier`."""
    squares = (prediction.float() - target.float()).square()
    shared = torch.ones_like(squares) if weights is None else weights.expand_as(squares)
    dims = tuple(range(1, squares.ndim))
    return (squares * shared).sum(dims) / shared.sum(dims)


def ssim_error(prediction: Tensor, target: Tensor, rng: torch.Generator) -> Tensor:
    """1 - SSIM of the luminance of images (B, 3, S, S) in [-1, 1].

    SSIM is a mean over places and images, so a random window of some faces estimates it without bias;
    over everything it would cost more than the networks do.
    """
    size = prediction.shape[-1]
    window = min(SSIM_WINDOW, size)
    top, left = (int(torch.randint(size - window + 1, (), generator=rng)) for _ in range(2))
    pair = [
        x[:SSIM_FACES, :, top : top + window, left : left + window].float().mean(dim=1, keepdim=True)
        for x in (prediction, target)
    ]
    with torch.autocast(prediction.device.type, enabled=False):  # differences of squares: bfloat16 loses them
        score = structural_similarity_index_measure(pair[0], pair[1], sigma=1.0, data_range=2.0)
    assert isinstance(score, Tensor)
    return 1 - score


def kl_divergence(mean: Tensor, log_variance: Tensor, free_nats: float = 0.0) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) in nats, summed over the Z dimensions, averaged over B.

    A dimension costs at least `free_nats` (free bits: Kingma et al. 2016, arXiv:1606.04934, appendix C.8),
    so that none is switched off early.
    """
    nats = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)  # (B, Z)
    return nats.mean(dim=0).clamp(min=free_nats).sum()


def identity_window(similarity: Tensor, low: float, high: float = 1.0) -> Tensor:
    """Hinge to the cosines that real photos of one person show: zero between `low` and `high`."""
    return (F.relu(low - similarity) + F.relu(similarity - high)).mean()


def attribute_error(
    logits: Tensor, wanted: Tensor, vocabulary: Vocabulary, attribute_weight: float = 1.0
) -> Tensor:
    """Cross-entropy of what faces show, averaged over what is known of them.

    Args:
        logits: (B, V). wanted: (B, V) as the vocabulary encodes attributes and ages; zeros: not known.
        attribute_weight: of the mean over attributes, beside that over ages.
    """
    flags, ages = attribute_nats(logits, wanted, vocabulary)
    names = len(vocabulary.attributes)
    error = attribute_weight * flags.sum() / wanted[:, :names].abs().sum().clamp(min=1)
    return error + ages.sum() / wanted[:, names:].sum().clamp(min=1)


def attribute_nats(logits: Tensor, wanted: Tensor, vocabulary: Vocabulary) -> tuple[Tensor, Tensor]:
    """Cross-entropy of each attribute (B, A) and of the age (B,) of faces; 0 where nothing is known.

    Args:
        logits, wanted: (B, V) as of `attribute_error`.
    """
    names = len(vocabulary.attributes)
    logits = logits.float()
    flags = F.softplus(-logits[:, :names] * wanted[:, :names]) * wanted[:, :names].abs()
    if not vocabulary.ages:
        return flags, flags.new_zeros(len(flags))
    ages = wanted[:, names:]  # (B, K), sums are 1 or 0
    return flags, -(ages * logits[:, names:].log_softmax(dim=1)).sum(dim=1)
