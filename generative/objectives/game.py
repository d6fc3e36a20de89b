"""The play of a discriminator against whatever makes faces: what GAN and VAE-GAN share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from generative import losses
from generative.adversarial import LOSSES, PENALTIES, SMOOTHED, AdversarialLoss, Judged, Penalty
from generative.conditions import PASSING, Vocabulary
from generative.data import Batch
from generative.diffaugment import POLICY, diff_augment
from generative.models.dcgan import PlainDiscriminator
from generative.models.gan import DISCRIMINATOR_WIDTHS, Discriminator, Verdict, doublings
from generative.models.panel import Panel
from generative.objectives.conditional import ConditionalSettings
from generative.training import Moment
from recog.embedding import Embedder
from recog.settings import Checks, shares

ARCHITECTURES = ("styled", "dcgan")
GROWN_FROM = 2  # doublings of the smallest map that a growing network starts with: 16 or 28 px
GROWN_BY = 0.6  # share of the run after which it is whole
# mean sign of answers to real faces, from the loss's midpoint: a discriminator this sure teaches nothing more
OVERFIT_SIGN = 0.98
COLLAPSED = 0.25  # of the spread of real faces
MAPS = 3  # of the embedder, the first, that critics look at
SPREAD_SIDE = 8  # px at which the spread of faces is measured


@dataclass(frozen=True, kw_only=True)
class GameSettings(ConditionalSettings):
    """Settings of the play.

    Raises: ConfigError: a value is outside its range.
    """

    architecture: str = "styled"  # of both networks; dcgan: the plain reference, without conditions
    discriminator_widths: tuple[int, ...] = DISCRIMINATOR_WIDTHS
    loss: str = "non-saturating"
    label_smoothing: float = 0.0  # one-sided: the target of real faces falls from 1 by so much
    penalty: str = "r1"  # gradient penalty
    penalty_weight: float | None = None  # None: what is usual for the penalty
    penalty_every: int | None = None  # steps; None: what is usual for the penalty
    spectral_norm: bool = False  # of the discriminator's weights
    augment: tuple[str, ...] = ("translation",)  # DiffAugment: which of its parts; few faces want all
    grow: bool = False  # from 16 or 28 px on, doubling by doubling
    conditioning_ramp: float = 0.2  # share of the run in which the condition fades in (arXiv:2201.06578)
    map_critics: bool = False  # further critics, of what the embedder sees (arXiv:2111.01007)
    reader_weight: float = 0.5
    attribute_weight: float = 0.5  # of the discriminator's attribute classifier; 0 switches it off
    turned_share: float = 0.25  # of made-up faces, one attribute of a photo each: asked to be the opposite

    def _checks(self) -> Checks:
        weight, every = self.penalty_weight, self.penalty_every
        smoothable = self.label_smoothing == 0 or self.loss in SMOOTHED
        return super()._checks() | {
            "architecture": (self.architecture in ARCHITECTURES, f"one of {', '.join(ARCHITECTURES)}"),
            "loss": (self.loss in LOSSES, f"one of {', '.join(LOSSES)}"),
            "penalty": self._penalty_check(),
            "penalty_weight": (weight is None or 0 <= weight < math.inf, "a number, 0 or more"),
            "penalty_every": (
                every is None or (type(every) is int and every > 0),
                "a whole number, 1 or more",
            ),
            "augment": (set(self.augment) <= set(POLICY), f"some of {', '.join(POLICY)}"),
            "label_smoothing": (
                0 <= self.label_smoothing < 0.5 and smoothable,
                f"0, or less than 0.5 with a loss that has a target ({', '.join(SMOOTHED)})",
            ),
            "attribute_weight": (
                self.attribute_weight >= 0 and (not self.attribute_weight or self.architecture == "styled"),
                "0 or more; 0 with dcgan, which has no classifier",
            ),
            "grow": (not self.grow or self.architecture == "styled", "False: dcgan does not grow"),
            "map_critics": (
                not self.map_critics or (self.architecture == "styled" and not self.grow),
                "False with dcgan, and where the networks grow",
            ),
            "spectral_norm": (
                not self.spectral_norm or self.architecture == "styled",
                "False: dcgan is the plain reference",
            ),
            **shares(self, "conditioning_ramp", "turned_share"),
        }

    def _penalty_check(self) -> tuple[bool, str]:
        known = ("none", *PENALTIES)
        if self.penalty not in known:
            return False, f"one of {', '.join(known)}"
        bounded = self.loss != "wasserstein" or self.penalty == "interpolated" or self.spectral_norm
        return bounded, (
            "interpolated (--penalty), or set spectral_norm (--spectral-norm): with loss wasserstein answers "
            "grow without end where nothing bounds the discriminator's gradient"
        )

    def chosen_penalty(self) -> Penalty | None:
        """The gradient penalty, with what is usual for it where nothing else is set; None without one."""
        if self.penalty == "none":
            return None
        usual = PENALTIES[self.penalty]
        return usual._replace(
            weight=usual.weight if self.penalty_weight is None else self.penalty_weight,
            every=usual.every if self.penalty_every is None else self.penalty_every,
        )

    def applied(self, image_size: int) -> dict[str, Any]:
        """As of `ConditionalSettings.applied`."""
        found = super().applied(image_size)
        found["discriminator_widths"] = self.discriminator_widths[: doublings(image_size)]
        if (penalty := self.chosen_penalty()) is not None:
            found |= {"penalty_weight": penalty.weight, "penalty_every": penalty.every}
        return found


class Fakes(NamedTuple):
    """Made-up faces, and what each was made for."""

    images: Tensor  # (F, 3, S, S) at the level of the moment
    wanted: Tensor  # (F, V)
    given: Tensor  # (F, C)


class Game:
    """A discriminator, what it plays for, and how far the play has come."""

    def __init__(
        self,
        settings: GameSettings,
        vocabulary: Vocabulary,
        condition_size: int,
        image_size: int,
        embedder: Embedder | None = None,
    ) -> None:
        """`embedder`: whose maps further critics look at, where the settings ask for them."""
        self.settings, self.vocabulary = settings, vocabulary
        self.levels = doublings(image_size)
        self.loss: AdversarialLoss = LOSSES[settings.loss](settings.label_smoothing)
        self.penalty = settings.chosen_penalty()
        if settings.architecture == "dcgan":
            self.discriminator: Discriminator | PlainDiscriminator | Panel = PlainDiscriminator(image_size)
        else:
            alone = Discriminator(
                condition_size,
                image_size,
                settings.discriminator_widths,
                attribute_size=len(vocabulary) if settings.attribute_weight else 0,
                spectral=settings.spectral_norm,
                grows=settings.grow,
            )
            self.discriminator = alone
            if settings.map_critics and embedder is not None:
                self.discriminator = _panel(alone, embedder, condition_size, image_size)

    def ramp(self, moment: Moment) -> float:
        """How much conditions count by now, 0..1."""
        span = self.settings.conditioning_ramp
        return min(1.0, moment.progress / span) if span else 1.0

    def level(self, moment: Moment) -> float | None:
        """Doublings by now; half of each stage is spent on what there is, half on what fades in."""
        start = min(GROWN_FROM, self.levels)
        if not self.settings.grow or moment.progress >= GROWN_BY:
            return None
        stages = moment.progress / GROWN_BY * (self.levels - start)
        return start + math.floor(stages) + max(0.0, 2 * (stages % 1) - 1)

    def at_level(self, images: Tensor, level: float | None) -> Tensor:
        """Faces (B, 3, S, S) as a network of this level makes them."""
        if level is None:
            return images
        shrunk = F.avg_pool2d(images, 2 ** (self.levels - math.ceil(level)))
        if level == math.ceil(level):
            return shrunk
        coarse = F.interpolate(F.avg_pool2d(shrunk, 2), scale_factor=2, mode="bilinear", align_corners=False)
        return coarse + (level % 1) * (shrunk - coarse)

    def judged(self, images: Tensor, given: Tensor, moment: Moment) -> Verdict:
        """What the discriminator says of faces that it sees augmented."""
        seen = diff_augment(images, moment.rng, self.settings.augment)
        verdict: Verdict = self.discriminator(seen, given, self.ramp(moment), self.level(moment))
        return verdict

    def discriminator_loss(
        self, batch: Batch, given: Tensor, fakes: Fakes, moment: Moment
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What the discriminator minimises.

        Args:
            given: (B, C) conditions of the real faces. fakes: F of them, at most B.
        """
        images = self.at_level(batch.images, self.level(moment))
        made, count = fakes.images.detach(), len(fakes.images)
        real = self.judged(images, given, moment)
        fake = self.judged(made, fakes.given, moment)
        loss = self.loss.discriminator(real.logits[:count], fake.logits) * _critics(fake.logits)
        stats = {"spread": spread(made) / spread(images).clamp(min=1e-6)}
        if self.loss.midpoint is not None:
            stats["real_sign"] = (_own(real.logits) - self.loss.midpoint).sign().mean()
            stats["fake_sign"] = (_own(fake.logits) - self.loss.midpoint).sign().mean()
        if self.settings.attribute_weight:
            error = losses.attribute_error(real.attributes, batch.attributes, self.vocabulary)
            stats["attributes_real"] = error
            loss = loss + self.settings.attribute_weight * error
        if self.penalty is not None and moment.step % self.penalty.every == 0:
            real_faces, fake_faces = Judged(images[:count], given[:count]), Judged(made, fakes.given)
            stats["penalty"] = self._penalised(self.penalty, real_faces, fake_faces, moment)
            loss = loss + self.penalty.weight * self.penalty.every * stats["penalty"]
        return loss, stats

    def turned(self, wanted: Tensor, rng: torch.Generator, share: float | None = None) -> Tensor:
        """Attributes (F, V) to make faces for, some of them the opposite of a photo's.

        What goes together on photos (glasses and the person who wears them) is not all that is asked for.

        Args:
            share: of the faces of which one attribute is reversed; None: the settings' `turned_share`.
        """
        columns = [i for i, name in enumerate(self.vocabulary.attributes) if name in PASSING]
        share = self.settings.turned_share if share is None else share
        if not columns or not share:
            return wanted
        chosen = torch.tensor(columns)[torch.randint(len(columns), (len(wanted),), generator=rng)]
        drawn = torch.rand(len(wanted), generator=rng) < share
        signs = torch.ones(wanted.shape)
        signs[drawn, chosen[drawn]] = -1
        return wanted * signs.to(wanted)

    def generator_loss(
        self, batch: Batch, given: Tensor, fakes: Fakes, moment: Moment
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What the maker of the fakes minimises.

        Args:
            given: (B, C) conditions of the real faces. fakes: F of them, at most B.
        """
        verdict = self.judged(fakes.images, fakes.given, moment)
        real = None
        if self.loss.paired:
            count = len(fakes.images)
            images = self.at_level(batch.images[:count], self.level(moment))
            with torch.no_grad():
                real = self.judged(images, given[:count], moment).logits
        loss, stats = self.loss.generator(verdict.logits, real) * _critics(verdict.logits), {}
        if self.settings.attribute_weight:
            error = losses.attribute_error(verdict.attributes, fakes.wanted, self.vocabulary)
            stats["attributes_fake"] = error
            loss = loss + self.settings.attribute_weight * self.ramp(moment) * error
        return loss, stats

    def trouble(self, means: Mapping[str, float]) -> str | None:
        """Why the play has gone wrong, if it has, by the means of its statistics."""
        if means.get("spread", 1.0) < COLLAPSED:
            return (
                f"the made-up faces differ from each other by {means['spread']:.2f} of what real ones do "
                "(collapse). Try more --penalty-weight, a lower --learning-rate, or another --loss"
            )
        if means.get("real_sign", 0.0) > OVERFIT_SIGN:
            return (
                f"the discriminator knows the real faces by heart (mean sign of its answers "
                f"{means['real_sign']:.2f}, limit {OVERFIT_SIGN}). Try more of --augment, more "
                "--penalty-weight, or more faces"
            )
        return None

    def _penalised(self, penalty: Penalty, real: Judged, fakes: Judged, moment: Moment) -> Tensor:
        """The gradient penalty on faces that are augmented as those the discriminator learns from."""
        ramp, level = self.ramp(moment), self.level(moment)

        def critic(images: Tensor, given: Tensor) -> Tensor:
            alone = self.discriminator
            alone = alone.discriminator if isinstance(alone, Panel) else alone  # the others are bounded
            logits: Tensor = alone(images, given, ramp, level).logits
            return logits

        seen = [
            faces._replace(images=diff_augment(faces.images, moment.rng, self.settings.augment))
            for faces in (real, fakes)
        ]
        return penalty.measure(critic, seen[0], seen[1], moment.rng)


def _panel(alone: Discriminator, embedder: Embedder, condition_size: int, image_size: int) -> Panel:
    with torch.no_grad():
        blank = torch.zeros(1, 3, image_size, image_size, device=embedder.device)
        channels = [seen.shape[1] for seen in embedder.maps_tensor(blank)[:MAPS]]
    return Panel(alone, lambda images: embedder.maps_tensor(images)[:MAPS], channels, condition_size)


def _critics(logits: Tensor) -> int:
    """How many speak: losses are means over all answers, and a panel's are to be summed."""
    return 1 if logits.ndim == 1 else logits.shape[1]


def _own(logits: Tensor) -> Tensor:
    """The discriminator's own answers (B,), without other critics'."""
    return logits if logits.ndim == 1 else logits[:, 0]


def spread(images: Tensor) -> Tensor:
    """Standard deviation between faces (B, 3, S, S), at 8 px: how different they are."""
    small = F.adaptive_avg_pool2d(images.detach().float(), SPREAD_SIDE)
    return small.std(dim=0).mean()
