"""People who are colours, and an embedder that sees nothing but colour."""

import numpy as np
from numpy.typing import NDArray

from recog.training.data import CropSet


class ColourEmbedder:
    """The unit vector of a crop's mean colour: identities of different hue are far apart."""

    digest = "c0105" * 8
    name = "colour"
    image_size = crop_size = 16
    embedding_size = 3

    def embed(self, crops: NDArray[np.uint8], flip: bool = True) -> NDArray[np.float32]:
        means = crops.mean(axis=(1, 2)).astype(np.float32) - 100
        return means / np.linalg.norm(means, axis=1, keepdims=True).clip(min=1e-6)


def people_of_colours(
    *, people: int, photos: int, size: int = 16, seed: int = 0, family: str = "p"
) -> CropSet:
    """Each person has a hue, each photo a little noise."""
    generator = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, people, endpoint=False)
    hues = np.stack([np.cos(angles), np.sin(angles), np.full(people, 0.2)], axis=1) * 80 + 100
    labels = np.repeat(np.arange(people), photos)
    noise = generator.normal(0, 4, (len(labels), size, size, 3))
    images = np.clip(hues[labels][:, None, None] + noise, 0, 255).astype(np.uint8)
    names = tuple(f"{family}{k}" for k in range(people))
    files = tuple(f"{names[label]}/{number}.png" for number, label in enumerate(labels))
    return CropSet(images, labels.astype(np.int64), names, files)
