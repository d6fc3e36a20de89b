"""Networks that turn a face into a vector, and the names they go by.

A name is one of
    recog-s, bundled                 weights in this package
    FILE.safetensors, RUN_DIRECTORY  weights that `recog train` wrote
    hf-hub:OWNER/NAME, local-dir:DIR a timm model with face weights, from the hub or from a folder
    facenet-pytorch:vggface2         InceptionResnetV1 (also :casia-webface)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import timm
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from recog import checkpoints, fetching
from recog.catalogue import FACENET, HUB, LOCAL, named_models
from recog.errors import ConfigError, ModelNotFound


class DepthwiseHead(nn.Module):
    """Global depthwise convolution, then a linear map (MobileFaceNets, arXiv:1804.07573, section 3.1).

    Unlike average pooling it weighs each place of the face on its own. Written as a weighted sum, which is
    what a depthwise kernel as large as its input is, and which trains a tenth quicker on a CPU.
    """

    def __init__(self, channels: int, side: int, embedding_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, side, side) / side)
        self.norm = nn.BatchNorm1d(channels)
        self.project = nn.Linear(channels, embedding_size, bias=False)
        self.standardize = nn.BatchNorm1d(embedding_size)

    def forward(self, features: Tensor) -> Tensor:
        x = self.norm((features * self.weight).sum((2, 3)))  # (B, C)
        return cast(Tensor, self.standardize(self.project(x)))  # (B, D)


class FaceNetwork(nn.Module):
    """A timm backbone under a depthwise head."""

    def __init__(self, backbone: nn.Module, image_size: int, embedding_size: int) -> None:
        super().__init__()
        self.backbone = backbone
        with torch.no_grad():
            shape = backbone.eval()(torch.zeros(1, 3, image_size, image_size)).shape
        if len(shape) != 4 or shape[2] != shape[3]:
            raise ConfigError(
                f"head 'gdc' needs a map of features (B, C, S, S), not {tuple(shape)}; take head 'timm' "
                "(--head timm)."
            )
        self.head = DepthwiseHead(shape[1], shape[2], embedding_size)

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.backbone(images)))  # (B, D)


class Whitened(nn.Module):
    """A network whose vectors are centred and whitened: see `recog.training.whitening`."""

    centre: Tensor  # (D,)
    matrix: Tensor  # (D, D)

    def __init__(self, network: nn.Module, embedding_size: int) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("centre", torch.zeros(embedding_size))
        self.register_buffer("matrix", torch.eye(embedding_size))

    def learn(self, centre: NDArray[np.floating], matrix: NDArray[np.floating]) -> None:
        """Take over a whitening: (D,) and (D, D)."""
        self.centre.copy_(torch.from_numpy(centre))
        self.matrix.copy_(torch.from_numpy(matrix))

    def forward(self, images: Tensor) -> Tensor:
        unit = F.normalize(self.network(images), dim=1)  # (B, D)
        return (unit - self.centre) @ self.matrix


def bare(network: nn.Module) -> nn.Module:
    """The network without its whitening, if it has one."""
    return network.network if isinstance(network, Whitened) else network


def fitted(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Weights for `network` from weights of the same network at another image size.

    Only the depthwise head knows the size: its weights are resampled, and scaled so that their sum over the
    map stays (progressive resizing: train small, finish large). A whitening is left behind.
    """
    if "matrix" in tensors and "centre" in tensors:
        tensors = checkpoints.part(tensors, "network")
    there = network.state_dict()
    weight, wanted = tensors.get("head.weight"), there.get("head.weight")
    if weight is None or wanted is None or weight.shape == wanted.shape:
        return dict(tensors)
    side = (wanted.shape[1], wanted.shape[2])
    resampled = F.interpolate(weight[None], side, mode="bilinear", antialias=True, align_corners=False)[0]
    scale = weight.shape[1] * weight.shape[2] / (side[0] * side[1])
    return {**tensors, "head.weight": resampled * scale}


def create_network(config: Mapping[str, Any]) -> nn.Module:
    """An untrained network: (B, 3, S, S) -> (B, D), not normalised.

    Args:
        config: backbone (timm name, or "facenet-pytorch:..."), backbone_options, head, embedding_size,
            image_size (px), whitened.
    Raises: ConfigError: timm knows no such backbone, or the options do not fit it.
    """
    network = _unwhitened(config)
    return Whitened(network, int(config["embedding_size"])) if config.get("whitened") else network


def _unwhitened(config: Mapping[str, Any]) -> nn.Module:
    name, size = str(config["backbone"]), int(config["embedding_size"])
    options = dict(config.get("backbone_options") or {})
    if name.startswith(FACENET):
        return _facenet(None)
    side = int(config["image_size"])
    if timm.is_model(name) and getattr(timm.get_pretrained_cfg(name), "fixed_input_size", False):
        options = {"img_size": side, **options}  # transformers are built for one size
    if config.get("head", "timm") == "timm":
        return cast(nn.Module, _timm(name, num_classes=size, **options))
    body = _timm(name, num_classes=0, global_pool="", **options)
    try:
        return FaceNetwork(body, side, size)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"backbone {name!r} takes no images of {side} px ({_first_line(error)})."
        ) from error


def pretrained_network(name: str) -> tuple[nn.Module, dict[str, Any]]:
    """A network whose weights come with its name, and the configuration that describes it.

    What `recog models list` names is fetched if it is not here; what is here is loaded without a network.

    Raises: ModelNotFound: the weights cannot be had (offline, no such folder); WriteFailed.
    """
    if name.startswith(FACENET):
        config = {"backbone": name, "embedding_size": 512, "image_size": 160, "mean": 0.5, "std": 128 / 255}
        return _facenet(name.removeprefix(FACENET)), config
    network = _timm(_present(name), pretrained=True)
    described = network.pretrained_cfg
    config = {
        "backbone": name,
        "embedding_size": int(network.num_classes) or int(network.num_features),
        "image_size": int(described.get("input_size", (3, 112, 112))[-1]),
        "mean": list(described.get("mean", (0.5, 0.5, 0.5))),
        "std": list(described.get("std", (0.5, 0.5, 0.5))),
    }
    return network, config


def require_here(name: str) -> None:
    """Without asking the network.

    Raises: ModelNotFound: the weights of this model would have to be fetched.
    """
    card = named_models().get(name)
    here = fetching.located(card) if card else not name.startswith(HUB) or fetching.hub_folder(name)
    if not here:
        raise ModelNotFound(f"{name}: its weights are not here. Fetch them: recog models fetch {name}")


def _present(name: str) -> str:
    """What timm should load: of a hub model that is here its folder, for then timm does not ask the hub."""
    if not name.startswith(HUB):
        return name
    _fetch_if_named(name)
    folder = fetching.hub_folder(name)
    return f"{LOCAL}{folder}" if folder else name


def _fetch_if_named(name: str) -> None:
    card = named_models().get(name)
    if card and not fetching.located(card):
        fetching.fetch(name)


def _timm(name: str, *, pretrained: bool = False, **options: Any) -> Any:
    try:
        return timm.create_model(name, pretrained=pretrained, **options)
    except Exception as error:  # timm, the hub client and torch each raise their own
        if pretrained:
            raise ModelNotFound(
                f"{name}: weights cannot be loaded ({_first_line(error)}). With a network connection "
                "it is fetched once; offline, put its files in a folder and pass local-dir:FOLDER."
            ) from error
        raise ConfigError(
            f"timm cannot build backbone {name!r} with {options} ({_first_line(error)}). "
            "See timm.list_models()."
        ) from error


def _facenet(weights: str | None) -> nn.Module:
    from facenet_pytorch import InceptionResnetV1

    _fetch_if_named(f"{FACENET}{weights}")
    try:
        network: nn.Module = InceptionResnetV1(pretrained=weights)
    except Exception as error:  # no such name; or torch's and the unpickler's own, for a damaged file
        raise ModelNotFound(
            f"{FACENET}{weights}: weights cannot be loaded ({_first_line(error)}). Names are vggface2 and "
            f"casia-webface; `recog models fetch {FACENET}{weights}` fetches them and checks what is here."
        ) from error
    return network


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
