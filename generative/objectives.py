"""What each network is trained for: objects that the loop calls without knowing which.

A GAN's step has two phases (discriminator, generator), the others' one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generative import damage, losses
from generative.data import Batch, FaceData, condition
from generative.diffaugment import POLICY, diff_augment
from generative.models.gan import DISCRIMINATOR_WIDTHS, GENERATOR_WIDTHS, Discriminator, Generator
from generative.models.repairer import WIDTHS, UNet
from generative.models.vae import CODE_SIZE, DECODER_WIDTHS, ENCODER_WIDTHS, VAE
from generative.people import PeopleModel
from generative.training import Moment, Phase
from recog.embedding import Embedder
from recog.errors import ConfigError, DataError, ModelMismatch
from recog.settings import Checks, at_least, check, shares

IDENTITY_FACES = (
    32  # faces a step that the identity term looks at: the recogniser costs as much as the networks
)
GRID_PEOPLE, GRID_PHOTOS = 6, 8


@dataclass(frozen=True, kw_only=True)
class GanSettings:
    """Settings of the adversarial objective.

    Raises: ConfigError: a value is outside its range.
    """

    noise_size: int = 64
    generator_widths: tuple[int, ...] = GENERATOR_WIDTHS
    discriminator_widths: tuple[int, ...] = DISCRIMINATOR_WIDTHS
    r1_gamma: float = 0.5  # weight of R1
    r1_every: int = 16  # steps (lazy regularisation: the weight makes up for it)
    augment: tuple[str, ...] = POLICY  # DiffAugment: which of its parts
    conditioning_ramp: float = 0.2  # share of the run in which the condition fades in (arXiv:2201.06578)
    attribute_dropout: float = 0.2  # share of attributes hidden, so that 0 means "any"
    identity_weight: float = 0.5  # of the identity window; 0 switches it off
    identity_every: int = 4  # steps
    identity_quantile: float = 0.25  # of real same-identity cosines: where the window begins

    def __post_init__(self) -> None:
        check(self, self._checks)

    def _checks(self) -> Checks:
        return {
            "augment": (set(self.augment) <= set(POLICY), f"some of {', '.join(POLICY)}"),
            **at_least(1, self, "noise_size", "r1_every", "identity_every"),
            **at_least(0, self, "r1_gamma", "identity_weight"),
            **shares(self, "conditioning_ramp", "attribute_dropout", "identity_quantile"),
        }


@dataclass(frozen=True, kw_only=True)
class VaeSettings:
    """Settings of the variational objective.

    Raises: ConfigError: a value is outside its range.
    """

    code_size: int = CODE_SIZE
    encoder_widths: tuple[int, ...] = ENCODER_WIDTHS
    decoder_widths: tuple[int, ...] = DECODER_WIDTHS
    ssim_weight: float = 0.2
    kl_weight: float = 1e-3  # a nat against a mean absolute error of 1
    kl_warmup: float = 0.2  # share of the run in which the KL term grows from 0
    free_nats: float = 0.05  # a code dimension
    attribute_dropout: float = 0.2
    identity_weight: float = 0.1  # of 1 - cosine(recogniser A: face, reconstruction); 0 switches it off
    identity_every: int = 4  # steps

    def __post_init__(self) -> None:
        check(self, self._checks)

    def _checks(self) -> Checks:
        return {
            **at_least(1, self, "code_size", "identity_every"),
            **at_least(0, self, "ssim_weight", "kl_weight", "free_nats", "identity_weight"),
            **shares(self, "kl_warmup", "attribute_dropout"),
        }


@dataclass(frozen=True, kw_only=True)
class RepairSettings:
    """Settings of the repair objective.

    Raises: ConfigError: a value is outside its range.
    """

    widths: tuple[int, ...] = WIDTHS
    sizes: tuple[int, ...] = (64, 112)  # px: a step takes one of those up to the data's side
    ssim_weight: float = 0.1
    identity_weight: float = 0.1  # of 1 - cosine(recogniser A: face, repaired); 0 or no model: off
    identity_every: int = 4  # steps

    def __post_init__(self) -> None:
        check(self, self._checks)

    def _checks(self) -> Checks:
        return {
            **at_least(1, self, "identity_every"),
            **at_least(0, self, "ssim_weight", "identity_weight"),
        }


class Conditioning:
    """What generator and VAE share: their conditions, and the people they can make up."""

    def __init__(self, data: FaceData, embedder: Embedder, dropout: float) -> None:
        if data.model_digest != embedder.digest:
            raise ModelMismatch(
                "The identity centres were made by another model. Open the faces with this embedder."
            )
        self.embedder = embedder
        self.dropout = dropout
        self.people = PeopleModel.fit(data)
        self.attribute_names = data.attribute_names
        self.size = data.condition_size
        self.similarities = torch.from_numpy(data.similarities)

    def usual_similarity(self, quantile: float) -> float:
        """This quantile of the cosines between a real photo and the other photos of its person.

        Raises: DataError: nobody has other photos.
        """
        if bool(self.similarities.isnan().all()):
            raise DataError(
                "No person has two photos, so nothing says how alike photos of a person are. Give more "
                "photos of some people, or set identity_weight to 0."
            )
        return float(torch.nanquantile(self.similarities, quantile))

    def of(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """(B, C) conditions of a training batch, some attributes hidden."""
        kept = torch.rand(batch.attributes.shape, generator=rng) >= self.dropout
        return condition(batch.centres, batch.attributes * kept.to(batch.attributes))

    def model_config(self) -> dict[str, Any]:
        """Which model the conditions come from, and what they are."""
        return {
            "conditioning_digest": self.embedder.digest,
            "embedding_size": self.embedder.embedding_size,
            "attributes": list(self.attribute_names),
        }

    def extra_tensors(self) -> dict[str, Tensor]:
        """The spread of identities, for people who do not exist."""
        return {f"people.{name}": tensor for name, tensor in self.people.tensors().items()}

    def samples(self, network: nn.Module, rng: torch.Generator, place: torch.device) -> tuple[Tensor, int]:
        """Pictures of made-up people only, a person a row."""
        centres = self.people.draw(GRID_PEOPLE, rng)
        attributes = self.people.draw_attributes(centres, GRID_PHOTOS, rng).flatten(0, 1)
        given = condition(centres.repeat_interleave(GRID_PHOTOS, dim=0), attributes)
        noise = torch.randn(len(given), int(network.noise_size), generator=rng)  # type: ignore[arg-type]
        return network(noise.to(place), given.to(place)), GRID_PHOTOS


class GanObjective:
    """Non-saturating loss, lazy R1, DiffAugment, projection, conditioning ramp, identity window."""

    kind = "gan"

    def __init__(self, data: FaceData, embedder: Embedder, settings: GanSettings, image_size: int) -> None:
        self.settings, self.image_size = settings, image_size
        self.conditioning = Conditioning(data, embedder, settings.attribute_dropout)
        size = self.conditioning.size
        self.network = Generator(settings.noise_size, size, image_size, settings.generator_widths)
        self.discriminator = Discriminator(size, image_size, settings.discriminator_widths)
        self.phases = (
            Phase("discriminator", self.discriminator, self._discriminator_loss),
            Phase("generator", self.network, self._generator_loss),
        )
        self.window_low = -1.0  # cosine
        if settings.identity_weight:
            self.window_low = self.conditioning.usual_similarity(settings.identity_quantile)
        self._fakes = self._given = torch.empty(0)

    def run_config(self) -> dict[str, Any]:
        """What makes this run what it is."""
        return {**asdict(self.settings), **self.conditioning.model_config()}

    def model_config(self) -> dict[str, Any]:
        """Enough to build the generator again and to condition it."""
        network = {
            "noise_size": self.settings.noise_size,
            "condition_size": self.conditioning.size,
            "image_size": self.image_size,
            "widths": list(self.settings.generator_widths),
        }
        return {"network": network, "image_size": self.image_size, **self.conditioning.model_config()}

    def extra_tensors(self) -> dict[str, Tensor]:
        """The spread of identities."""
        return self.conditioning.extra_tensors()

    def samples(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> tuple[Tensor, int]:
        """Made-up people."""
        return self.conditioning.samples(network, rng, batch.images.device)

    def _discriminator_loss(self, batch: Batch, moment: Moment) -> tuple[Tensor, dict[str, Tensor]]:
        """Also makes the fakes that the generator's phase uses: one forward pass serves both."""
        ramp = self._ramp(moment)
        self._given = self.conditioning.of(batch, moment.rng)
        noise = torch.randn(len(batch.images), self.settings.noise_size, generator=moment.rng)
        self._fakes = self.network(noise.to(batch.images.device), self._given * ramp)
        real = self._seen(batch.images, moment)
        fake = self._seen(self._fakes.detach(), moment)
        on_real = self.discriminator(real, self._given, ramp)
        on_fake = self.discriminator(fake, self._given, ramp)
        loss = losses.discriminator_loss(on_real, on_fake)
        stats = {"real_sign": on_real.sign().mean(), "fake_sign": on_fake.sign().mean()}
        if self.settings.r1_gamma and moment.step % self.settings.r1_every == 0:
            leaf = real.detach().requires_grad_()
            stats["r1"] = losses.r1_penalty(self.discriminator(leaf, self._given, ramp), leaf)
            loss = loss + self.settings.r1_gamma * self.settings.r1_every * stats["r1"]
        return loss, stats

    def _generator_loss(self, batch: Batch, moment: Moment) -> tuple[Tensor, dict[str, Tensor]]:
        ramp = self._ramp(moment)
        seen = self._seen(self._fakes, moment)
        loss = losses.generator_loss(self.discriminator(seen, self._given, ramp))
        if not self.settings.identity_weight or moment.step % self.settings.identity_every:
            return loss, {}
        vectors = self.conditioning.embedder.forward_tensor(self._fakes[:IDENTITY_FACES])
        similarity = (vectors * batch.centres[:IDENTITY_FACES]).sum(dim=1)
        window = losses.identity_window(similarity, self.window_low)
        loss = loss + self.settings.identity_weight * ramp * window
        return loss, {"identity_cosine": similarity.mean(), "identity_window": window}

    def _seen(self, images: Tensor, moment: Moment) -> Tensor:
        return diff_augment(images, moment.rng, self.settings.augment)

    def _ramp(self, moment: Moment) -> float:
        span = self.settings.conditioning_ramp
        return min(1.0, moment.progress / span) if span else 1.0


class VaeObjective:
    """L1 + SSIM + recogniser features + KL with warm-up and free bits."""

    kind = "vae"

    def __init__(self, data: FaceData, embedder: Embedder, settings: VaeSettings, image_size: int) -> None:
        self.settings, self.image_size = settings, image_size
        self.conditioning = Conditioning(data, embedder, settings.attribute_dropout)
        self.network = VAE(**self._network_config())
        self.phases = (Phase("vae", self.network, self._loss),)

    def run_config(self) -> dict[str, Any]:
        """What makes this run what it is."""
        return {**asdict(self.settings), **self.conditioning.model_config()}

    def model_config(self) -> dict[str, Any]:
        """Enough to build the VAE again and to condition it."""
        return {
            "network": self._network_config(),
            "image_size": self.image_size,
            **self.conditioning.model_config(),
        }

    def extra_tensors(self) -> dict[str, Tensor]:
        """The spread of identities."""
        return self.conditioning.extra_tensors()

    def samples(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> tuple[Tensor, int]:
        """Made-up people."""
        return self.conditioning.samples(network, rng, batch.images.device)

    def _network_config(self) -> dict[str, Any]:
        return {
            "condition_size": self.conditioning.size,
            "image_size": self.image_size,
            "code_size": self.settings.code_size,
            "encoder_widths": list(self.settings.encoder_widths),
            "decoder_widths": list(self.settings.decoder_widths),
        }

    def _loss(self, batch: Batch, moment: Moment) -> tuple[Tensor, dict[str, Tensor]]:
        given = self.conditioning.of(batch, moment.rng)
        mean, log_variance = self.network.encode(batch.images, given)
        noise = torch.randn(mean.shape, generator=moment.rng).to(mean)
        faces = self.network(mean + noise * (0.5 * log_variance).exp(), given)
        l1 = F.l1_loss(faces, batch.images)
        ssim = losses.ssim_error(faces, batch.images, moment.rng)
        kl = losses.kl_divergence(mean, log_variance, self.settings.free_nats)
        warm = min(1.0, moment.progress / self.settings.kl_warmup) if self.settings.kl_warmup else 1.0
        loss = l1 + self.settings.ssim_weight * ssim + self.settings.kl_weight * warm * kl
        stats = {"l1": l1, "ssim_error": ssim, "kl_nats": kl}
        if self.settings.identity_weight and moment.step % self.settings.identity_every == 0:
            stats["identity_error"] = identity_error(self.conditioning.embedder, faces, batch.images)
            loss = loss + self.settings.identity_weight * stats["identity_error"]
        return loss, stats


class RepairObjective:
    """Charbonnier + SSIM + identity over mixed damages."""

    kind = "repairer"

    def __init__(self, settings: RepairSettings, image_size: int, embedder: Embedder | None = None) -> None:
        self.settings, self.embedder = settings, embedder
        self.network = UNet(settings.widths)
        self.sizes = [size for size in settings.sizes if size <= image_size] or [image_size]
        wrong = [size for size in self.sizes if size % self.network.multiple]
        if wrong:
            raise ConfigError(
                f"sizes has {wrong[0]} px; the repairer needs multiples of {self.network.multiple}."
            )
        self.phases = (Phase("repairer", self.network, self._loss),)

    def run_config(self) -> dict[str, Any]:
        """What makes this run what it is."""
        return {**asdict(self.settings), "model_digest": self.embedder.digest if self.embedder else None}

    def model_config(self) -> dict[str, Any]:
        """Enough to build the U-Net again."""
        return {"network": {"widths": list(self.settings.widths)}, "sizes": self.sizes}

    def extra_tensors(self) -> dict[str, Tensor]:
        """Nothing ships beside the weights."""
        return {}

    def samples(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> tuple[Tensor, int]:
        """Rows of clean, damaged and repaired faces: real people, for the run directory only."""
        clean = batch.images[:10]
        damaged, missing = damage.mixed(clean, rng)
        return torch.cat([clean, damaged, network(damaged, missing).float()]), len(clean)

    def _loss(self, batch: Batch, moment: Moment) -> tuple[Tensor, dict[str, Tensor]]:
        clean = self._sized(batch.images, moment.rng)
        damaged, missing = damage.mixed(clean, moment.rng)
        repaired = self.network(damaged, missing)
        error = losses.charbonnier(repaired, clean)
        ssim = losses.ssim_error(repaired, clean, moment.rng)
        loss = error + self.settings.ssim_weight * ssim
        stats = {"charbonnier": error, "ssim_error": ssim}
        lazy = self.settings.identity_weight > 0 and moment.step % self.settings.identity_every == 0
        if lazy and self.embedder is not None:
            stats["identity_error"] = identity_error(self.embedder, repaired, clean)
            loss = loss + self.settings.identity_weight * stats["identity_error"]
        return loss, stats

    def _sized(self, images: Tensor, rng: torch.Generator) -> Tensor:
        size = self.sizes[int(torch.randint(len(self.sizes), (), generator=rng))]
        if size == images.shape[-1]:
            return images
        return F.interpolate(images, (size, size), mode="bilinear", antialias=True).clamp(-1, 1)


def identity_error(embedder: Embedder, faces: Tensor, originals: Tensor) -> Tensor:
    """Mean of 1 - cosine between faces and their originals, by the recogniser; gradients reach the faces."""
    with torch.no_grad():
        target = embedder.forward_tensor(originals[:IDENTITY_FACES])
    return 1 - (embedder.forward_tensor(faces[:IDENTITY_FACES]) * target).sum(dim=1).mean()
