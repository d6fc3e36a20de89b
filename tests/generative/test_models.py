from __future__ import annotations

import pytest
import torch
from torch import nn

from generative import damage
from generative.models.dcgan import PlainDiscriminator, PlainGenerator
from generative.models.gan import (
    BLOCKS,
    Discriminator,
    Generator,
    NormalisedConv,
    StyledConv,
    batch_deviation,
    doublings,
    normalised,
    stem_side,
)
from generative.models.repairer import PatchCritic, Residual, UNet
from generative.models.vae import VAE
from generative.objectives.gan import GanSettings
from generative.objectives.vae import VaeSettings
from recog.errors import ConfigError

WIDTHS = (8, 8, 4)
every_make = pytest.mark.parametrize(
    ("block", "fold"), [(block, fold) for block in sorted(BLOCKS) for fold in (1, 2)]
)


def a_generator(block: str, fold: int) -> Generator:
    torch.manual_seed(0)
    return Generator(4, 6, 16, WIDTHS, style_size=8, block=block, fold=fold)


@every_make
def test_generator_makes_faces_in_range(block: str, fold: int) -> None:
    network = a_generator(block, fold)
    faces = network(torch.randn(3, 4), torch.randn(3, 6))
    assert faces.shape == (3, 3, 16, 16)
    assert faces.abs().max() <= 1


@every_make
def test_generator_listens_to_noise_and_to_condition(block: str, fold: int) -> None:
    network = a_generator(block, fold)
    noise, given = torch.randn(1, 4), torch.randn(1, 6)
    face = network(noise, given)
    assert not torch.allclose(face, network(-noise, given), atol=1e-4)
    assert not torch.allclose(face, network(noise, -given), atol=1e-4)


@every_make
def test_a_face_does_not_depend_on_those_it_is_made_with(block: str, fold: int) -> None:
    network = a_generator(block, fold).eval()
    noise, given = torch.randn(5, 4), torch.randn(5, 6)
    assert torch.allclose(network(noise, given)[:1], network(noise[:1], given[:1]), atol=1e-5)


def test_a_folded_generator_has_no_map_as_large_as_the_face() -> None:
    whole, folded = a_generator("normalised", 1), a_generator("normalised", 2)
    assert (len(whole.refine), len(folded.refine)) == (2, 1)


def test_normalised_conv_does_not_see_the_scale_of_what_it_is_given() -> None:
    torch.manual_seed(0)
    conv = NormalisedConv(32, 32, 8)
    x, style = torch.randn(8, 32, 16, 16), torch.randn(8, 8)
    assert torch.allclose(conv(x, style), conv(100 * x, style), atol=1e-3)
    plain = conv(x, torch.zeros(8, 8))  # before ReLU: mean 0, variance 1
    assert float(plain.detach().square().mean()) == pytest.approx(0.5, abs=0.02)


def test_styled_conv_keeps_unit_variance_for_any_style() -> None:
    torch.manual_seed(0)
    conv = StyledConv(32, 32, 8)
    x = torch.randn(8, 32, 16, 16)
    small, large = (conv(x, torch.full((8, 8), style)).detach().std() for style in (0.1, 30.0))
    assert float(large / small) == pytest.approx(1, abs=0.15)


def test_noise_counts_by_direction() -> None:
    noise = torch.randn(3, 16)
    assert torch.allclose(normalised(noise), normalised(5 * noise), atol=1e-5)
    assert normalised(noise).square().mean(dim=1) == pytest.approx([1, 1, 1], abs=1e-5)


@pytest.mark.parametrize("size", [4, 7, 12, 21, 48, 100, 0, -8])
def test_sides_that_neither_4_nor_7_px_double_to_are_refused(size: int) -> None:
    with pytest.raises(ConfigError, match=rf"image_size is {size}; .*112 or 128 px.*--image-size"):
        doublings(size)


@pytest.mark.parametrize(
    ("size", "stem", "count"), [(8, 4, 1), (14, 7, 1), (56, 7, 3), (64, 4, 4), (112, 7, 4), (128, 4, 5)]
)
def test_sides_begin_with_4_or_7_px(size: int, stem: int, count: int) -> None:
    assert (stem_side(size), doublings(size)) == (stem, count)


SIDES = (56, 64, 112, 128)
FEW = (8, 8, 4, 4, 4, 4)  # widths


@pytest.mark.parametrize("size", SIDES)
@every_make
def test_generators_make_faces_of_every_side(size: int, block: str, fold: int) -> None:
    faces = Generator(4, 6, size, FEW, 8, block=block, fold=fold)(torch.randn(2, 4), torch.randn(2, 6))
    assert faces.shape == (2, 3, size, size)


@pytest.mark.parametrize("size", SIDES)
def test_the_other_networks_take_faces_of_every_side(size: int) -> None:
    faces, noise, given = torch.randn(2, 3, size, size), torch.randn(2, 4), torch.randn(2, 6)
    verdict = Discriminator(6, size, FEW)(faces, given)
    assert verdict.logits.shape == (2,)
    assert verdict.maps[-1].shape[-1] == stem_side(size)
    vae = VAE(6, size, 4, FEW, FEW)
    mean, _ = vae.encode(faces, given)
    assert mean.shape == (2, 4)
    assert vae(mean, given).shape == faces.shape
    assert PlainGenerator(4, size, FEW)(noise, given).shape == faces.shape
    assert PlainDiscriminator(size, FEW)(faces, given).logits.shape == (2,)


@pytest.mark.parametrize("size", [112, 128])
def test_usual_widths_reach_to_128_px(size: int) -> None:
    with torch.device("meta"):
        for fold in (1, 2):
            Generator(4, 6, size, fold=fold)
            VAE(6, size, fold=fold)
        Discriminator(6, size)
        PlainGenerator(4, size)
        PlainDiscriminator(size)


def test_widths_that_a_side_does_not_need_make_no_difference() -> None:
    # of bundled weights, and of runs that go on
    def shapes(network: nn.Module) -> dict[str, torch.Size]:
        return {name: value.shape for name, value in network.state_dict().items()}

    before = {
        "generator": Generator(4, 6, 64, (160, 192, 128, 64, 32)),
        "discriminator": Discriminator(6, 64, (64, 128, 256, 256)),
        "vae": VAE(6, 64, 8, (32, 64, 96, 96), (96, 128, 96, 64, 32)),
        "plain generator": PlainGenerator(4, 64, (256, 256, 128, 64)),
        "plain discriminator": PlainDiscriminator(64, (256, 256, 128, 64)),
    }
    now = {
        "generator": Generator(4, 6),
        "discriminator": Discriminator(6),
        "vae": VAE(6, code_size=8),
        "plain generator": PlainGenerator(4),
        "plain discriminator": PlainDiscriminator(),
    }
    assert {name: shapes(network) for name, network in now.items()} == {
        name: shapes(network) for name, network in before.items()
    }


def test_too_few_widths_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"generator_widths .* has 3 entries; faces of 32 px need 4"):
        Generator(4, 6, 32, WIDTHS)
    with pytest.raises(ConfigError, match="discriminator_widths has 2 entries; faces of 32 px need 3"):
        Discriminator(6, 32, (8, 8))
    with pytest.raises(ConfigError, match="encoder_widths has 2 entries; faces of 32 px need 3"):
        VAE(6, 32, 4, (8, 8), (8, 8, 8, 8))
    with pytest.raises(ConfigError, match=r"smaller image_size \(--image-size\)"):
        VAE(6, 256)


def test_discriminator_weighs_the_condition() -> None:
    torch.manual_seed(0)
    network = Discriminator(6, 16, (4, 8))
    faces, a, b = torch.randn(4, 3, 16, 16), torch.randn(4, 6), torch.randn(4, 6)
    assert network(faces, a).logits.shape == (4,)
    assert not torch.allclose(network(faces, a).logits, network(faces, b).logits)
    assert torch.allclose(network(faces, a, 0.0).logits, network(faces, b, 0.0).logits)


def test_discriminator_reads_attributes_when_asked() -> None:
    faces, given = torch.randn(4, 3, 16, 16), torch.randn(4, 6)
    assert Discriminator(6, 16, (4, 8))(faces, given).attributes.shape == (4, 0)
    assert Discriminator(6, 16, (4, 8), attribute_size=5)(faces, given).attributes.shape == (4, 5)


def test_spectral_norm_makes_every_weight_of_norm_one() -> None:
    torch.manual_seed(0)
    network = Discriminator(6, 16, (4, 8), spectral=True)
    for _ in range(50):  # a step of the power iteration each
        network(torch.randn(4, 3, 16, 16), torch.randn(4, 6))
    weights = [m.weight.flatten(1) for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    norms = [torch.linalg.matrix_norm(weight, 2).item() for weight in weights]
    assert norms == pytest.approx([1] * len(norms), abs=0.02)
    assert len(norms) == 6


@pytest.mark.parametrize(("level", "side"), [(1.0, 8), (1.5, 16), (2.0, 16)])
@every_make
def test_growing_networks_work_at_each_level(level: float, side: int, block: str, fold: int) -> None:
    generator = a_generator(block, fold)
    faces = generator(torch.randn(3, 4), torch.randn(3, 6), level)
    assert faces.shape == (3, 3, side, side)
    verdict = Discriminator(6, 16, (4, 8), grows=True)(faces, torch.randn(3, 6), level=level)
    assert verdict.logits.shape == (3,)


@pytest.mark.parametrize(("level", "side"), [(1.0, 14), (1.5, 28), (3.0, 56)])
@pytest.mark.parametrize("fold", [1, 2])
def test_networks_grow_from_7_px_too(level: float, side: int, fold: int) -> None:
    faces = Generator(4, 6, 56, FEW, 8, fold=fold)(torch.randn(2, 4), torch.randn(2, 6), level)
    assert faces.shape == (2, 3, side, side)
    verdict = Discriminator(6, 56, FEW, grows=True)(faces, torch.randn(2, 6), level=level)
    assert verdict.maps[-1].shape[-1] == 7


@every_make
def test_a_doubling_fades_in_from_nothing(block: str, fold: int) -> None:
    generator = a_generator(block, fold)
    noise, given = torch.randn(3, 4), torch.randn(3, 6)
    coarse, begun = generator(noise, given, 1.0), generator(noise, given, 1.0 + 1e-6)
    before_tanh = torch.nn.functional.interpolate(coarse.atanh(), scale_factor=2, mode="bilinear")
    assert torch.allclose(begun, before_tanh.tanh(), atol=1e-4)
    whole, nearly = generator(noise, given), generator(noise, given, 2.0 - 1e-6)
    assert torch.allclose(whole, nearly, atol=1e-4)
    discriminator = Discriminator(6, 16, (4, 8), grows=True)
    small = torch.nn.functional.avg_pool2d(whole, 2)
    old = discriminator(small, given, level=1.0).logits
    assert torch.allclose(discriminator(whole, given, level=1.0 + 1e-6).logits, old, atol=1e-4)
    full = discriminator(whole, given).logits
    assert torch.allclose(discriminator(whole, given, level=2.0 - 1e-6).logits, full, atol=1e-4)


def test_the_plain_reference_takes_conditions_and_ignores_them() -> None:
    generator, discriminator = PlainGenerator(4, 16, (8, 8)), PlainDiscriminator(16, (8, 8))
    noise, a, b = torch.randn(3, 4), torch.randn(3, 6), torch.randn(3, 6)
    generator.eval(), discriminator.eval()
    faces = generator(noise, a)
    assert faces.shape == (3, 3, 16, 16)
    assert torch.equal(faces, generator(noise, b))
    assert torch.equal(discriminator(faces, a).logits, discriminator(faces, b).logits)
    with pytest.raises(ConfigError, match="widths"):
        PlainGenerator(4, 32, (8, 8))


def test_batch_deviation_sees_equal_fakes() -> None:
    one = torch.randn(1, 2, 4, 4)
    assert batch_deviation(one.expand(8, -1, -1, -1)).max() < 1e-3
    varied = torch.randn(8, 2, 4, 4)
    expected = varied.var(dim=0, correction=0).sqrt().mean()
    assert float(batch_deviation(varied)[0, 0, 0, 0]) == pytest.approx(float(expected), rel=1e-3)


def test_vae_encodes_and_decodes() -> None:
    network = VAE(6, 16, code_size=5, encoder_widths=(4, 8), decoder_widths=WIDTHS)
    mean, log_variance = network.encode(torch.randn(2, 3, 16, 16), torch.randn(2, 6))
    assert mean.shape == log_variance.shape == (2, 5)
    assert network(mean, torch.randn(2, 6)).shape == (2, 3, 16, 16)


def test_vae_code_counts_by_length_too() -> None:
    torch.manual_seed(0)
    network = VAE(6, 16, code_size=5, encoder_widths=(4, 8), decoder_widths=WIDTHS)
    code, given = torch.randn(1, 5), torch.randn(1, 6)
    assert not torch.allclose(network(code, given), network(3 * code, given), atol=1e-4)


@pytest.mark.parametrize("size", [16, 32, 48])
def test_repairer_works_at_multiples_and_starts_with_the_input(size: int) -> None:
    network = UNet((4, 8, 8, 8))
    assert network.multiple == 16
    faces = torch.randn(2, 3, size, size)
    repaired, covered, suffered = network(faces, torch.zeros(2, 1, size, size))
    assert torch.equal(repaired, faces)
    assert covered is None
    assert suffered is None


def test_repairer_knows_places() -> None:
    torch.manual_seed(0)
    network = UNet((4, 8))
    torch.nn.init.normal_(network.to_rgb[0].weight)  # type: ignore[arg-type]
    flat, known = torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    inside = (..., slice(16, 48), slice(16, 48))  # away from the rim, by which convolutions know it, too
    before = network(flat, known).images[inside]
    assert torch.allclose(before, before[..., :4, :4].repeat(1, 1, 8, 8), atol=1e-6)
    torch.nn.init.normal_(network.places[1].map)  # type: ignore[arg-type]
    assert network(flat, known).images[inside].std() > before.std() + 1e-3
    assert network(torch.zeros(1, 3, 32, 32), known[..., :32, :32]).images.shape[-1] == 32


def test_repairer_weighs_channels_by_the_whole_face() -> None:
    torch.manual_seed(0)
    block = Residual(4)
    torch.nn.init.normal_(block.second.weight)
    one = torch.randn(1, 4, 32, 32)
    other = one.clone()
    other[..., 16:, :] *= 10
    here = (..., slice(0, 8), slice(None))  # beyond what two convolutions see of the change
    assert not torch.allclose(block(one)[here], block(other)[here])
    torch.nn.init.zeros_(block.gate.weight)
    assert torch.allclose(block(one)[here], block(other)[here])


def test_repairer_says_what_is_covered_once_it_is_asked_to() -> None:
    torch.manual_seed(0)
    network = UNet((4, 8), finds_covers=True)
    covered = network(torch.randn(2, 3, 16, 24), torch.zeros(2, 1, 16, 24)).covered
    assert covered is not None
    assert covered.shape == (2, 1, 16, 24)
    assert covered.max() < 0  # hardly anything, at first


def test_repairer_says_what_faces_suffer_from_once_it_is_asked_to() -> None:
    network = UNet((4, 8), damages=("nothing", "noise", "mask"))
    suffered = network(torch.randn(2, 3, 16, 24), torch.zeros(2, 1, 16, 24)).damage
    assert suffered is not None
    assert suffered.shape == (2, 3)


def test_patch_critic_judges_patches_by_what_they_were_made_from() -> None:
    torch.manual_seed(0)
    critic = PatchCritic((4, 8, 8))
    images, given = torch.randn(2, 3, 32, 32), torch.randn(2, 4, 32, 32)
    logits = critic(images, given)
    assert logits.shape == (2, 16)
    other = images.clone()
    other[..., -4:, -4:] += 1
    moved = (critic(other, given) - logits).abs() > 1e-6
    assert moved[:, -1].all()  # the patch where something changed
    assert not moved[:, 0].any()  # and not the one across
    assert not torch.allclose(critic(images, given.flip(0)), logits)


def test_repairer_never_sees_missing_pixels() -> None:
    network = UNet((4, 8))
    torch.nn.init.normal_(network.to_rgb[0].weight)  # type: ignore[arg-type]
    images, missing = torch.randn(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
    missing[..., 4:9, 4:9] = 1
    other = images + 5 * missing
    assert torch.equal(network(images, missing).images, network(other, missing).images)


def test_repairer_refuses_other_sides() -> None:
    with pytest.raises(ConfigError, match="16"):
        UNet((4, 8, 8, 8))(torch.zeros(1, 3, 24, 24), torch.zeros(1, 1, 24, 24))


def test_shipped_networks_fit_5_mb_as_fp16() -> None:
    gan, vae = GanSettings(), VaeSettings()
    networks = {
        "gan": Generator(gan.noise_size, 152, 64, gan.generator_widths, block=gan.block, fold=gan.fold),
        "vae": VAE(
            152, 64, vae.code_size, vae.encoder_widths, vae.decoder_widths, block=vae.block, fold=vae.fold
        ),
        "repairer": UNet(finds_covers=True, damages=damage.KINDS),
    }
    sizes = {name: 2 * sum(p.numel() for p in network.parameters()) for name, network in networks.items()}
    assert {name: size for name, size in sizes.items() if size > 4.9e6} == {}
