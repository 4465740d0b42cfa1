"""Models: loaded, fused, blended with their twins, and what is said of weights that are of no use."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_photos import picture

from common.errors import UserError
from common.weights import save_weights
from superres.models import SuperResModel, load_generator, load_superres_model, superres_model
from superres.networks import Generator, NetworkConfig, build_generator
from superres.upscaling import TiledUpscaler

CONFIG = NetworkConfig("fast", 2, 2, 8)


def generator(seed: int = 0, config: NetworkConfig = CONFIG) -> Generator:
    """One whose branches have drifted apart, as training makes them."""
    torch.manual_seed(seed)
    network = build_generator(config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return network.eval()


def save(folder: Path, generator: Generator, **changes: object) -> str:
    config = {"domain": "superres", "kind": "generator", "network": generator.config.as_json()}
    save_weights(folder, generator, config | {"data": {"name": "waves"}} | changes, "card")
    return str(folder)


@pytest.fixture
def twins(tmp_path: Path) -> str:
    save(tmp_path / "soft-gan", generator(1))
    return save(tmp_path / "soft", generator(0))


def low(height: int = 9, width: int = 7) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


def test_a_loaded_model_is_fused_and_computes_the_same(twins: str) -> None:
    model = load_superres_model(twins)
    assert (model.scale, model.radius, model.device.type, model.name) == (2, 4, "cpu", "soft")
    assert model.data == {"name": "waves"} and not model.network.training
    assert not any("squeeze" in name for name, _ in model.network.named_parameters())
    network, folder, data = load_generator(twins)
    assert any("squeeze" in name for name, _ in network.named_parameters())
    assert folder == Path(twins) and data == model.data
    torch.testing.assert_close(model.upscale(low()), network(low()).clamp(0, 1), rtol=0, atol=1e-5)


def test_upscaled_pictures_stay_in_range_and_are_whole(twins: str) -> None:
    model = load_superres_model(twins)
    with torch.no_grad():
        model.network.last.bias.normal_(std=2)  # type: ignore[union-attr, operator]
    found = model.upscale(low())
    assert found.shape == (1, 3, 18, 14) and found.dtype == torch.float32
    assert found.min() == 0 and found.max() == 1 and not found.requires_grad


def test_pictures_are_upscaled_as_the_command_does(twins: str) -> None:
    model, image = load_superres_model(twins), picture(0)
    found = model.upscale_picture(image)
    assert found.dtype == np.uint8 and found.shape == (80, 88, 3)
    assert np.array_equal(found, TiledUpscaler(model, tile=20).upscale(image))
    image.flags.writeable = False
    assert np.array_equal(model.upscale_picture(image), found)
    flat = model.upscale_picture(np.full_like(image, 200))
    assert all(np.ptp(flat[y::2, x::2]) == 0 for y in (0, 1) for x in (0, 1))  # a flat colour, to the corners


def kernels(model: SuperResModel) -> list[torch.Tensor]:
    return list(model.network.parameters())


def test_sharpness_goes_from_one_twin_to_the_other(twins: str) -> None:
    soft, sharp = load_superres_model(twins), load_superres_model(f"{twins}-gan")
    for source in (twins, f"{twins}-gan", f"{twins}/"):
        for sharpness in (0.0, 0.25, 1.0):
            blended = load_superres_model(source, sharpness=sharpness)
            for found, first, second in zip(*map(kernels, (blended, soft, sharp)), strict=True):
                torch.testing.assert_close(found, (1 - sharpness) * first + sharpness * second)
    assert not torch.equal(soft.upscale(low()), sharp.upscale(low()))


def test_twins_that_cannot_be_blended_are_told(twins: str, tmp_path: Path) -> None:
    alone = save(tmp_path / "alone", generator())
    with pytest.raises(UserError, match=r"--sharpness: .*alone has no twin .*alone-gan.*--core gan --weights"):
        load_superres_model(alone, sharpness=0.5)
    save(tmp_path / "alone-gan", generator(0, NetworkConfig("fast", 2, 1, 8)))
    with pytest.raises(UserError, match=r"--sharpness: .*different networks"):
        load_superres_model(alone, sharpness=0.5)
    for sharpness in (-0.1, 1.1, float("nan")):
        with pytest.raises(UserError, match=r"--sharpness must be in \[0, 1\]"):
            load_superres_model(twins, sharpness=sharpness)


@pytest.mark.parametrize("ending", ["", "-fast"])
def test_denoise_goes_from_weights_to_their_twin_for_noisy_pictures(ending: str, tmp_path: Path) -> None:
    plain, real = save(tmp_path / f"x2{ending}", generator(0)), save(tmp_path / "x2-real", generator(1))
    one, other = load_superres_model(plain), load_superres_model(real)
    for source in (plain, real):
        blended = load_superres_model(source, denoise=0.25)
        for found, first, second in zip(*map(kernels, (blended, one, other)), strict=True):
            torch.testing.assert_close(found, 0.75 * first + 0.25 * second)
    alone = save(tmp_path / "alone", generator())
    with pytest.raises(UserError, match=r"--denoise: .*alone has no twin .*alone-real.*--degradation real --weights"):
        load_superres_model(alone, denoise=0.5)
    with pytest.raises(UserError, match=r"--denoise must be in \[0, 1\]"):
        load_superres_model(plain, denoise=2)


def test_weights_of_no_use_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        load_superres_model("nothing")
    with pytest.raises(UserError, match="no such folder"):
        load_superres_model("nothing", sharpness=0.5)
    other = save(tmp_path / "other", generator(), kind="upscaler")
    with pytest.raises(UserError, match="wants superres/generator"):
        load_superres_model(other)
    for number, network in enumerate(({"net": "slow"}, CONFIG.as_json() | {"colour": 1}, None)):
        with pytest.raises(UserError, match=r"config\.json is not as this version writes it"):
            load_superres_model(save(tmp_path / str(number), generator(), network=network))
    larger = save(tmp_path / "larger", generator(), network=NetworkConfig("fast", 2, 2, 12).as_json())
    with pytest.raises(UserError, match="other settings"):
        load_superres_model(larger)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_what_bfloat16_cannot_hold_is_computed_again() -> None:
    model = superres_model(generator().cuda())
    torch.testing.assert_close(
        model.upscale(low()).cpu(), superres_model(generator()).upscale(low()), rtol=0, atol=0.05
    )
