"""What recogniser A says of the faces that a network makes."""

from __future__ import annotations

import torch
from torch import Tensor

from generative import losses
from recog.embedding import Embedder

# faces a step that an identity term looks at: the recogniser costs as much as the networks
FACES = 32


def identity_error(embedder: Embedder, faces: Tensor, originals: Tensor) -> Tensor:
    """Mean of 1 - cosine between faces and their originals, by the recogniser; gradients reach the faces."""
    with torch.no_grad():
        target = embedder.forward_tensor(originals[:FACES])
    return 1 - (embedder.forward_tensor(faces[:FACES]) * target).sum(dim=1).mean()


def window(
    embedder: Embedder, faces: Tensor, centres: Tensor, low: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """The identity window of faces (B, 3, S, S) made for centres (B, D), and what it says of them."""
    vectors = embedder.forward_tensor(faces[:FACES])
    similarity = (vectors * centres[: len(vectors)]).sum(dim=1)
    error = losses.identity_window(similarity, low)
    return error, {"identity_cosine": similarity.mean(), "identity_window": error}
