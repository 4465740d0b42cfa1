"""Whatever stands in config.json of weights, loading them ends in a model or in one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from common.errors import UserError
from common.schema import from_json
from common.training.devices import peak_memory
from common.weights_folders import bundled
from image.judges.extractor import load_extractor
from image.judges.text_scorer import load_scorer
from image.models import load_image_model
from image.networks import NetworkConfig
from image.translate.models import load_translation_model
from music.models import load_music_model
from superres.models import load_generator
from text.models import load_text_model

WEIGHTS: dict[tuple[str, str], Callable[[str], Any]] = {
    ("image", "digits-cgan"): load_image_model,
    ("image", "emoji-text"): load_image_model,
    ("image", "fashion-vae"): load_image_model,
    ("image", "features"): load_extractor,
    ("image", "emoji-scorer"): load_scorer,
    ("image", "colorize"): load_translation_model,
    ("image", "edges"): load_translation_model,
    ("image", "inpaint"): load_translation_model,
    ("music", "dances"): load_music_model,
    ("superres", "x2-fast"): load_generator,
    ("text", "styles"): load_text_model,
}
WRONG = [None, True, -1, 40_000, 10**30, float("nan"), "x", [[]], {"x": 1}]
GIVEN = {"quartet", "domain", "kind"}  # what `common.weights_folders` looks at


def places(config: dict[str, Any]) -> list[tuple[str, ...]]:
    """The settings in a config, each as the names that lead to it."""
    inner = [(name, *rest) for name in ("network", "sizes", "data") if name in config for rest in places(config[name])]
    return [(name,) for name in config if name not in GIVEN] + inner


def put(config: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    for name in place[:-1]:
        config = config[name]
    if value is KeyError:
        del config[place[-1]]
    else:
        config[place[-1]] = value


def refusal(load: Callable[[str], Any], folder: Path) -> str:
    try:
        load(str(folder))
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize(("domain", "name"), WEIGHTS)
def test_no_value_in_a_config_ends_in_a_traceback(domain: str, name: str, tmp_path: Path) -> None:
    folder, load = tmp_path / name, WEIGHTS[domain, name]
    shutil.copytree(bundled(domain)[name], folder)
    text = (folder / "config.json").read_text()
    for place in places(json.loads(text)):
        for value in (*WRONG, KeyError):
            config = json.loads(text)
            put(config, place, value)
            (folder / "config.json").write_text(json.dumps(config))
            said = refusal(load, folder)
            assert said == "" or (str(folder) in said and "\n" not in said), (place, value)
    (folder / "config.json").write_text(text)
    load(str(folder))


def test_a_config_of_a_giant_takes_no_memory(tmp_path: Path) -> None:
    folder = tmp_path / "giant"
    shutil.copytree(bundled("superres")["x2-fast"], folder)
    config = json.loads((folder / "config.json").read_text())
    before = peak_memory(torch.device("cpu")) or 0
    for giant in ({"width": 40_000}, {"depth": 1_000_000}, {"width": 40_000, "depth": 40_000}):
        (folder / "config.json").write_text(json.dumps(config | {"network": config["network"] | giant}))
        with pytest.raises(UserError, match=r"config\.json is not as this version writes it|made with other settings"):
            load_generator(str(folder))
    assert (peak_memory(torch.device("cpu")) or 0) - before < 1 << 30


def test_values_come_as_the_types_that_are_stated() -> None:
    values = {"net": "residual", "side": "96x64", "channels": 3, "width": 16, "latent": 64}
    assert from_json(NetworkConfig, values).shape == (64, 96)
    for wrong in ({"net": "other"}, {"side": 1.5}, {"channels": True}, {"width": "16"}, {"spectral_norm": 1}, {"x": 1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            from_json(NetworkConfig, values | wrong)
    with pytest.raises(ValueError, match="'latent' is missing"):
        from_json(NetworkConfig, {name: value for name, value in values.items() if name != "latent"})
