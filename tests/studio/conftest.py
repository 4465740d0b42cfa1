"""A page that is served, if Gradio is here."""

from collections.abc import Iterator
from pathlib import Path
from socket import socket
from typing import Any

import pytest


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The address of the page, and its shop."""
    pytest.importorskip("gradio")
    from studio.config import StudioConfig
    from studio.page import launch
    from studio.runs import run_folders
    from studio.shop import Shop
    from studio.training import trainer_in

    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root: Path = tmp_path_factory.mktemp("page")
    shop = Shop("cpu", root / "studio", runs=root / "runs", is_local=True)
    served = launch(StudioConfig(port=port, no_open=True, device="cpu"), shop, wait=False)
    yield f"http://127.0.0.1:{port}/", shop
    served.close()
    for folder in run_folders(shop.runs).values():  # those of tests that failed
        if left := trainer_in(folder):
            left.kill()
