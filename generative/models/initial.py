"""How weights start."""

from __future__ import annotations

from torch import nn

SLOPE = 0.2  # of the leaky ReLUs


def keep_variance(network: nn.Module) -> None:
    """He initialisation (arXiv:1502.01852, eq. 15): torch's own shrinks signals layer by layer."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, a=SLOPE)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
