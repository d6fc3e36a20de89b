"""Networks only: no training, no files."""

from generative.models.gan import Discriminator, Generator
from generative.models.repairer import UNet
from generative.models.vae import VAE

__all__ = ["VAE", "Discriminator", "Generator", "UNet"]
