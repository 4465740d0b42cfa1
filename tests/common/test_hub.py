"""Publishing on the Hub: what would go, the card's metadata, and an upload to a server that speaks as the Hub does."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from huggingface_hub import ModelCard

from common.errors import UserError
from common.hub import HubConfig, card_of, files_of

Requests = list[tuple[str, bytes]]


@pytest.fixture
def run_folder(root: Path, tmp_path: Path) -> Path:
    """A run with samples, an evaluation, and what stays at home."""
    folder = tmp_path / "garden"
    shutil.copytree(root / "image" / "weights" / "digits-cgan", folder)
    for name in ("checkpoints/1.pt", "samples/000100.png", "samples/000200.png", "metrics.jsonl", "run.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    (folder / "evaluation").mkdir()
    tables = {
        "Samples": [
            {"figure": "precision", "samples": 0.9, "real": 0.95, "better": "higher", "n": 500},
            {"figure": "lost", "samples": None, "real": 1, "better": "higher", "n": 500},
        ]
    }
    (folder / "evaluation" / "evaluation.json").write_text(json.dumps({"data": "digits", "tables": tables}))
    return folder


def settings(folder: Path, **changes: Any) -> HubConfig:
    return HubConfig(action="push", folder=folder, name="ada/garden", **changes)


def test_weights_newest_samples_and_evaluation_go_and_all_else_stays(run_folder: Path) -> None:
    assert list(files_of(run_folder)) == [
        "config.json",
        "model.safetensors",
        "samples/000200.png",
        "evaluation/evaluation.json",
    ]


def test_the_card_tells_the_hub_what_it_reads(run_folder: Path) -> None:
    text = card_of(settings(run_folder, licence="mit"))
    data = ModelCard(text).data
    assert (data.license, data.pipeline_tag) == ("mit", "unconditional-image-generation")
    assert data.tags == ["quartet", "image", "gan"]
    (result,) = data.eval_results
    assert (result.dataset_name, result.metric_type, result.metric_value) == ("digits", "precision", 0.9)
    assert result.metric_name == "Samples: precision (N = 500)"
    assert "python -m image.generate --weights ada/garden --out samples.png" in text
    assert "![Samples of the run](samples/000200.png)" in text


def test_a_card_that_has_metadata_gets_new_ones(run_folder: Path) -> None:
    once = card_of(settings(run_folder))
    (run_folder / "README.md").write_text(once.partition("## Load it")[0].rpartition("\n![")[0])
    assert card_of(settings(run_folder)) == once


def test_what_is_no_evaluation_is_named(run_folder: Path) -> None:
    (run_folder / "evaluation" / "evaluation.json").write_text("{}")
    with pytest.raises(UserError, match=r"evaluation.json is none of an evaluation"):
        card_of(settings(run_folder))


class Hub(BaseHTTPRequestHandler):
    """Speaks as the Hub does to one who makes a model and commits files to it."""

    requests: Requests

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.requests.append((self.path, content))
        if self.path == "/api/repos/create":
            self._answer({"url": "https://huggingface.co/ada/garden"})
        elif self.path.endswith("/preupload/main"):
            files = [file["path"] for file in json.loads(content)["files"]]
            self._answer({"files": [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in files]})
        else:
            self._answer({"commitUrl": "https://huggingface.co/ada/garden/commit/1", "commitOid": "1"})

    def _answer(self, value: Any) -> None:
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[tuple[str, Requests]]:
    """The address of a server, and what it was asked."""
    handler = type("Handler", (Hub,), {"requests": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler.requests
        server.shutdown()


def push(endpoint: str, folder: Path, root: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    told = {"HF_ENDPOINT": endpoint, "HF_TOKEN": "hf_none", "HF_HUB_OFFLINE": "0", "NO_PROXY": "127.0.0.1"}
    words = [sys.executable, "-m", "common.hub", "push", str(folder), "ada/garden", *flags]
    return subprocess.run(words, cwd=root, env=os.environ | told, capture_output=True, text=True, timeout=120)


def test_all_files_go_in_one_commit(hub: tuple[str, Requests], run_folder: Path, root: Path) -> None:
    endpoint, requests = hub
    done = push(endpoint, run_folder, root, "--private")
    assert done.returncode == 0, done.stderr
    assert "ada/garden: 5 files" in done.stdout
    made = json.loads(next(content for path, content in requests if path == "/api/repos/create"))
    assert made["name"] == "garden" and made["organization"] == "ada"
    assert made.get("visibility") == "private" or made["private"]  # by the version of the Hub's client
    (commit,) = (content for path, content in requests if path.endswith("/commit/main"))
    files = {
        line["value"]["path"]: line["value"] for line in map(json.loads, commit.splitlines()) if "path" in line["value"]
    }
    assert set(files) == {"README.md", *files_of(run_folder)}
    sent = base64.b64decode(files["model.safetensors"]["content"])
    assert sent == (run_folder / "model.safetensors").read_bytes()


def test_a_dry_run_asks_nothing_of_the_hub(hub: tuple[str, Requests], run_folder: Path, root: Path) -> None:
    endpoint, requests = hub
    done = push(endpoint, run_folder, root, "--dry-run")
    assert done.returncode == 0 and requests == []
    assert "model.safetensors: " in done.stdout and "pipeline_tag: unconditional-image-generation" in done.stdout


def test_a_hub_that_is_not_there_is_told_in_a_line(run_folder: Path, root: Path) -> None:
    done = push("http://127.0.0.1:9", run_folder, root)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("common.hub: ada/garden: the Hub says: ")
