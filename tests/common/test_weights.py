"""Weights folders: what is saved comes back, and what is not as it should be is told in one line."""

import json
import pickle
import sys
from collections import OrderedDict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from common.errors import UserError
from common.weights import load_fitting, load_model, load_tensors, save_weights
from common.weights_folders import (
    CARD,
    CONFIG,
    CRITIC,
    MODEL,
    bundled,
    find_weights,
    load_config,
    network_setting,
    ships,
)

CONFIGURED = {"domain": "image", "kind": "gan", "classes": ["Ankle boot", "Café"]}


def network(width: int = 3) -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, width, 3), nn.BatchNorm2d(width), nn.Linear(width, 1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A weights folder."""
    torch.manual_seed(0)
    save_weights(tmp_path / "weights", network(), CONFIGURED, "# The card\n")
    return tmp_path / "weights"


def message(caught: pytest.ExceptionInfo[UserError]) -> str:
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- save and load


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    saved = network().to(memory_format=torch.channels_last)
    saved[1](saved[0](torch.randn(2, 2, 5, 5)))  # moves BatchNorm's buffers
    save_weights(tmp_path / "w", saved, CONFIGURED, "# Card é\n")
    assert sorted(path.name for path in (tmp_path / "w").iterdir()) == sorted([CARD, CONFIG, MODEL])
    assert (tmp_path / "w" / CARD).read_text(encoding="utf-8") == "# Card é\n"
    config = load_config(tmp_path / "w", "image", "gan")
    assert {name: config[name] for name in CONFIGURED} == CONFIGURED
    loaded = load_model(tmp_path / "w", network())
    assert not loaded.training
    for name, tensor in saved.state_dict().items():
        rounded = tensor.half().float() if tensor.is_floating_point() else tensor
        assert torch.equal(rounded, loaded.state_dict()[name])


def test_of_a_critic_what_learns_is_saved_too(tmp_path: Path) -> None:
    critic = network()
    critic[0].requires_grad_(False)
    save_weights(tmp_path / "w", network(), CONFIGURED, "", critic)
    assert load_file(tmp_path / "w" / CRITIC).keys() == {name for name in critic.state_dict() if name[0] != "0"}


def test_numbers_beyond_half_precision_are_kept(tmp_path: Path) -> None:
    saved = network()
    with torch.no_grad():
        saved[0].weight[0, 0, 0, 0] = 1e6
    save_weights(tmp_path / "w", saved, CONFIGURED, "")
    tensors = load_file(tmp_path / "w" / MODEL)
    assert torch.equal(tensors["0.weight"], saved[0].weight) and tensors["2.weight"].dtype == torch.float16


def test_saving_again_replaces(folder: Path) -> None:
    other = network()
    save_weights(folder, other, CONFIGURED, "new")
    assert torch.equal(load_file(folder / MODEL)["0.weight"], other[0].weight.half())
    assert (folder / CARD).read_text() == "new"
    assert len(list(folder.iterdir())) == 3


def altered(folder: Path, **changes: torch.Tensor | None) -> None:
    tensors: dict[str, Any] = load_file(folder / MODEL) | {
        name.replace("_", "."): value for name, value in changes.items()
    }
    save_file({name: value for name, value in tensors.items() if value is not None}, folder / MODEL)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"2_bias": None}, "lacks the tensor 2.bias"),
        ({"2_extra": torch.zeros(1)}, "unknown tensor 2.extra"),
        ({"2_bias": torch.zeros(2)}, r"2.bias of shape \(2,\) where \(1,\) is expected"),
        ({"2_weight": torch.zeros(3, 1)}, r"2.weight of shape \(3, 1\) where \(1, 3\)"),
    ],
    ids=["missing", "extra", "shape", "transposed"],
)
def test_keys_and_shapes_are_checked(folder: Path, change: dict[str, torch.Tensor | None], said: str) -> None:
    altered(folder, **change)
    with pytest.raises(UserError, match=f"{folder / MODEL}.*{said}") as caught:
        load_model(folder, network())
    message(caught)


class Mine:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("import sys; sys.mine_exploded = True",)


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "pickle", "missing", "folder"])
def test_what_is_no_safetensors_file_is_told(folder: Path, damage: str) -> None:
    path = folder / MODEL
    whole = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        contents = {"truncated": whole[:-20], "empty": b"", "text": b"hello " * 9, "pickle": pickle.dumps(Mine())}
        path.write_bytes(contents[damage])
    with pytest.raises(UserError, match="truncated or damaged") as caught:
        load_tensors(path)
    assert str(path) in message(caught)
    assert not hasattr(sys, "mine_exploded")


def test_numbers_that_are_not_finite_are_told(tmp_path: Path) -> None:
    network = nn.Linear(2, 2)
    with torch.no_grad():
        network.weight[0, 0] = float("nan")
    save_file(network.state_dict(), tmp_path / MODEL)
    with pytest.raises(UserError, match="not finite"):
        load_model(tmp_path, nn.Linear(2, 2))


# --- config.json


def test_weights_of_another_kind_or_domain_are_told(folder: Path) -> None:
    assert load_config(folder, "image", "vae", "gan")["kind"] == "gan"
    for domain, kind in [("image", "vae"), ("text", "gan")]:
        with pytest.raises(UserError, match=f"holds image/gan weights; this command wants {domain}/{kind}") as caught:
            load_config(folder, domain, kind)
        message(caught)


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b"3", b"{}", b'{"quartet": 2}', b"\xff\xfe", b"[" * 9_999, None], ids=lambda c: str(c)[:9]
)
def test_a_config_that_is_none_is_told(folder: Path, content: bytes | None) -> None:
    (folder / CONFIG).unlink()
    if content is not None:
        (folder / CONFIG).write_bytes(content)
    with pytest.raises(UserError, match=str(folder / CONFIG)) as caught:
        load_config(folder, "image", "gan")
    message(caught)


@pytest.mark.parametrize(
    "told", [{}, {"network": None}, {"network": {"scale": [4]}}, {"network": {"scale": 5}}], ids=str
)
def test_a_setting_that_a_config_does_not_tell_is_told(told: dict[str, Any], tmp_path: Path) -> None:
    save_weights(tmp_path / "w", network(), CONFIGURED | {"network": {"scale": 4}}, "")
    assert network_setting(str(tmp_path / "w"), "image", "gan", "scale", (2, 4)) == 4
    save_weights(tmp_path / "w", network(), CONFIGURED | told, "")
    with pytest.raises(UserError, match=r"config\.json is not as this version writes it \('scale'\); train anew"):
        network_setting(str(tmp_path / "w"), "image", "gan", "scale", (2, 4))


# --- by name, path or Hub id


@pytest.fixture
def domain(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package that bundles the weights "first" and "second"."""
    package = tmp_path / "site" / "painting"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    for name in ("second", "first"):
        save_weights(package / "weights" / name, network(), CONFIGURED, "")
    (package / "weights" / "not-weights").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "painting", raising=False)
    return "painting"


def test_bundled_weights_are_found_by_name(domain: str) -> None:
    assert list(bundled(domain)) == ["first", "second"]
    assert find_weights("second", domain) == bundled(domain)["second"]
    load_model(find_weights("first", domain), network())


def test_what_ships_lies_in_the_toolkit_itself(folder: Path) -> None:
    assert ships(bundled("image")["digits-cgan"]) and ships(bundled("music")["instruments"])
    assert not ships(folder) and not ships(Path("runs") / "digits")


def test_a_folder_is_found_by_path(folder: Path, domain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_weights(str(folder), domain) == folder
    monkeypatch.chdir(folder.parent.parent)
    relative = f"{folder.parent.name}/weights"  # looks like a Hub id, but is there
    assert find_weights(relative, domain) == Path(relative)


@pytest.mark.parametrize("source", ["third", "./third", "../a/b", "/no/such", "~/x", "a/b/c", "runs/third", ""])
def test_an_unknown_name_lists_what_there_is(
    source: str, domain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()  # so no owner of the Hub's
    with pytest.raises(UserError, match=f"--weights {source}") as caught:
        find_weights(source, domain)
    assert source == "" or "bundled are first, second" in message(caught)


def test_a_folder_or_file_that_holds_no_weights_is_told(folder: Path, domain: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"has no config\.json and model\.safetensors") as caught:
        find_weights(str(tmp_path / "empty"), domain)
    message(caught)
    with pytest.raises(UserError, match="is a file; name the folder"):
        find_weights(str(folder / MODEL), domain)


def test_the_hub_offline_is_one_clear_line(domain: str) -> None:
    with pytest.raises(
        UserError, match="--weights someone/something: not in the cache, and the Hub cannot be reached"
    ) as caught:
        find_weights("someone/something", domain)
    message(caught)
    with pytest.raises(UserError, match="--weights some one/some thing") as caught:
        find_weights("some one/some thing", domain)
    message(caught)


def test_a_name_on_the_hub_is_taken_from_its_cache(
    folder: Path, domain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants as constants

    commit = "0" * 40
    snapshot = tmp_path / "hub" / "models--someone--something" / "snapshots" / commit
    snapshot.parent.mkdir(parents=True)
    folder.rename(snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    found = find_weights("someone/something", domain)
    assert json.loads((found / CONFIG).read_text())["kind"] == "gan"
    load_model(found, network())


# --- the layers that fit


def stack(*widths: int, first: int = 3) -> nn.Sequential:
    """Linear layers of these widths, with a layer that is in no row behind them."""
    rows = nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise([first, *widths])))
    return nn.Sequential(OrderedDict(row=rows, end=nn.Linear(widths[-1], 1)))


def test_all_of_the_same_network_fits() -> None:
    source, target = stack(8, 8, 4), stack(8, 8, 4)
    assert load_fitting(target, source.state_dict()) == (8, [])
    assert all(torch.equal(target.state_dict()[name], tensor) for name, tensor in source.state_dict().items())


def test_numbered_layers_are_matched_in_their_order() -> None:
    source, target = stack(8, 8, 4), stack(8, 8, 8, 4)
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    assert load_fitting(target, source.state_dict()) == (8, ["row.2"])
    after, given = target.state_dict(), source.state_dict()
    for ours, theirs in (("row.0", "row.0"), ("row.1", "row.1"), ("row.3", "row.2"), ("end", "end")):
        assert torch.equal(after[f"{ours}.weight"], given[f"{theirs}.weight"])
        assert torch.equal(after[f"{ours}.bias"], given[f"{theirs}.bias"])
    assert torch.equal(after["row.2.weight"], before["row.2.weight"])


def test_a_layer_of_which_a_part_does_not_fit_stays_as_it_was() -> None:
    source, target = stack(8, 4, first=5), stack(8, 4)
    bias = target.row[0].bias.clone()
    assert load_fitting(target, source.state_dict()) == (4, ["row.0"])
    assert torch.equal(target.row[0].bias, bias)
    assert load_fitting(stack(8, 4), {"other.0.weight": torch.zeros(8, 3)}) == (0, ["row.0", "row.1", "end"])
