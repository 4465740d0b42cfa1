"""The notebooks of `examples/`: each runs from its first cell to its last on small settings, and is small as stored."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from commands import ROOT
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from PIL import Image
from small_photos import save_pictures
from small_texts import save_texts
from small_tunes import save_tunes

NOTEBOOKS = sorted(ROOT.glob("examples/*.ipynb"))
LARGEST = 300_000  # bytes of a notebook


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What stands in for the parameters of each notebook: little data, few steps, small networks."""
    folder = tmp_path_factory.mktemp("data")
    debug = {"STEPS": 2, "NET_SIZE": "debug", "N": 16}
    tunes, texts = save_tunes(folder / "tunes"), save_texts(folder / "texts.jsonl")
    photos = save_pictures(folder / "photos", height=136, width=140)
    return {
        "images": debug | {"DATA": str(save_digits(folder / "digits"))},
        "music": debug | {"DATA": str(tunes), "WEIGHTS": "runs/music", "CANDIDATES": 2},
        "superres": {"DATA": str(photos), "STEPS": 2, "WIDTH": 4},
        "text": debug | {"DATA": str(texts), "WEIGHTS": "runs/text"},
    }


def save_digits(folder: Path) -> Path:
    """A folder with 20 pictures of noise for each of ten digits."""
    draw = np.random.default_rng(0)
    for digit in range(10):
        (folder / str(digit)).mkdir(parents=True)
        for index in range(20):
            noise = draw.integers(0, 256, (28, 28), dtype=np.uint8)
            Image.fromarray(noise).save(folder / str(digit) / f"{index}.png")
    return folder


def parameters(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The cell that settings are changed in."""
    (cell,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    return cell


def run(notebook: nbformat.NotebookNode, settings: Mapping[str, Any], folder: Path) -> None:
    """Run in a folder, with settings in place of the parameters, by the Python of this process."""
    cell = parameters(notebook)
    assert set(settings) <= set(re.findall(r"^(\w+) = ", cell.source, re.MULTILINE))
    cell.source += "".join(f"\n{name} = {value!r}" for name, value in settings.items())
    # Without folders of kernels there is only the one of ipykernel itself, which is of the Python that asks for it.
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    NotebookClient(notebook, km=manager, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_to_its_end(
    path: Path, small: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    run(nbformat.read(path, 4), small[path.stem], tmp_path)
    assert list(tmp_path.glob("runs/*/model.safetensors"))


def test_there_is_a_notebook_of_every_domain() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["images", "music", "superres", "text"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_with_its_results(path: Path) -> None:
    assert path.stat().st_size <= LARGEST
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert "error" not in {output.output_type for output in outputs}
    assert sum(bool({"image/png", "image/jpeg"} & {*output.get("data", ())}) for output in outputs) >= 3
    assert "site-packages" not in path.read_text(encoding="utf-8")  # a warning, with the path of whoever ran it
