"""A network that grows: blocks are added to one that has learned, and it answers as before.

What is learned is kept, and what is added begins where it harms nothing (Net2DeeperNet, arXiv:1511.05641; for
residual blocks, whose branches begin at nothing, arXiv:1901.09321).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from recog.errors import ConfigError


def deepened(tensors: Mapping[str, Tensor], network: nn.Module, image_size: int) -> dict[str, Tensor]:
    """Weights for `network` from weights of the same network with fewer residual blocks.

    In each new block the weights that end its branch are 0, so that what comes in goes out; the others are as
    they were drawn.

    Args:
        tensors: they fit `network` but for the new blocks; where none is new, they are returned as they are.
        image_size: px, what `network` takes.
    Raises: ConfigError: what is new are not residual blocks.
    """
    new = _new_modules(network, tensors)
    if not new:
        return dict(tensors)
    network.load_state_dict(dict(tensors), strict=False)
    network.eval()
    met = _inputs(network, {name: network.get_submodule(name) for name in new}, image_size)
    for name in new:
        if not _silenced(network.get_submodule(name), met.get(name)):
            raise ConfigError(
                f"{name} is new and no residual block: a network can go on from weights of fewer blocks, not "
                "from those of other layers. Start from weights of the same settings, or from none."
            )
    return {**network.state_dict(), **tensors}


def _new_modules(network: nn.Module, tensors: Mapping[str, Tensor]) -> list[str]:
    """The outermost modules none of whose weights are known."""
    known = {prefix for name in tensors for prefix in _prefixes(name)}
    fresh = {_outermost(name, known) for name in network.state_dict() if name not in tensors}
    return sorted(fresh)


def _outermost(name: str, known: set[str]) -> str:
    """The shortest beginning of a weight's name that is no beginning of a known one's."""
    return next((prefix for prefix in _prefixes(name) if prefix not in known), name)


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")[:-1]
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _inputs(network: nn.Module, modules: Mapping[str, nn.Module], image_size: int) -> dict[str, Tensor]:
    """What each module is given when the network sees noise."""
    met: dict[str, Tensor] = {}

    def remember(name: str) -> torch.utils.hooks.RemovableHandle:
        def hook(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            met[name] = given[0].clone()

        return modules[name].register_forward_pre_hook(hook)

    hooks = [remember(name) for name in modules]
    try:
        with torch.no_grad():
            noise = torch.randn(2, 3, image_size, image_size, generator=torch.Generator().manual_seed(0))
            network(noise)
    finally:
        for hook in hooks:
            hook.remove()
    return met


@torch.no_grad()
def _silenced(block: nn.Module, given: Tensor | None) -> bool:
    """Whether there are weights that make `block` repeat its input when they are 0; they are 0 then."""
    if given is None:
        return False
    for name, weight in reversed(list(block.named_parameters())):
        if not name.endswith("weight"):
            continue
        before = weight.clone()
        weight.zero_()
        said = block(given.clone())
        if said.shape == given.shape and torch.allclose(said, given, atol=1e-5):
            return True
        weight.copy_(before)
    return False
