"""The text commands as a user types them, each in a process of its own."""

import gzip
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import ROOT, alone_and_shared, assert_refused, assert_same_files, command

TINY = ("--net-size", "debug", "--vocabulary", "512", "--longest", "40", "--latent", "8", "--batch", "16")
SHORT = ("--examples", "192", "--snapshot", "96", "--device", "cpu")
WHO, DOES, WHAT = ("a cat", "the old king", "my friend", "no one"), ("sees", "loves", "finds"), ("the sea", "a ship")
SAYS, NEWS = ("Police", "Minister", "Court"), ("denies plan", "wins vote", "opens inquiry", "ends talks")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two styles, in .jsonl.gz, with an empty text and one too long."""
    rng, path = random.Random(0), tmp_path_factory.mktemp("data") / "two.jsonl.gz"
    rows = [
        {"text": f"{who} {does} {what} {n}", "style": "tale"}
        for who in WHO
        for does in DOES
        for what in WHAT
        for n in range(6)
    ]
    rows += [
        {"text": f"{who} {news} in {n} towns", "style": "news"} for who in SAYS for news in NEWS for n in range(10)
    ]
    rng.shuffle(rows)
    rows += [{"text": " ", "style": "news"}, {"text": "word " * 200, "style": "news"}]
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


@pytest.fixture(scope="module")
def run_folder(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "two"
    result = command("text.train", "--data", corpus, *TINY, *SHORT, "--out", out)
    assert result.returncode == 0, result.stderr
    assert str(out) in result.stdout and "skipped 2 texts: " in result.stderr
    return out


def test_commands_are_listed_and_explained() -> None:
    listed = command("text")
    assert listed.returncode == 0, listed.stderr
    for name in ("train", "generate", "evaluate"):
        assert f"python -m text.{name}" in listed.stdout
        result = command(f"text.{name}", "--help")
        assert result.returncode == 0, result.stderr
        assert f"python -m text.{name}" in result.stdout and "--device" in result.stdout


def test_train_leaves_everything_behind(run_folder: Path) -> None:
    names = {path.name for path in run_folder.iterdir()}
    assert {
        "config.json",
        "model.safetensors",
        "vocabulary.model",
        "README.md",
        "checkpoints",
        "metrics.jsonl",
    } <= names
    first = sorted((run_folder / "samples").glob("*.txt"))[0].read_text(encoding="utf-8")
    assert "== tale" in first and "== news" in first and "== reconstructions" in first
    rows = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    assert any("active" in row for row in rows)
    assert "python -m text.train" in (run_folder / "README.md").read_text()


def test_write_in_every_way(run_folder: Path, tmp_path: Path) -> None:
    ways: dict[str, tuple[object, ...]] = {
        "styles": ("--n", 4),
        "one style": ("--style", "tale", "--n", 3, "--temperature", 0, "--stanzas", 2),
        "nucleus": ("--top-k", 5, "--top-p", 0.5, "--n", 2, "--sampler", "prior", "--max-length", 6),
        "beam": ("--beam", 3, "--n", 2, "--prompt", "The sea"),
        "between": ("--interpolate", "a cat sees the sea", "Court ends talks", "--n", 3),
        "like": ("--like", "a cat sees the sea", "--restyle", "news", "--n", 2),
    }
    for way, flags in ways.items():
        result = command("text.generate", "--weights", run_folder, *flags)
        assert result.returncode == 0, f"{way}: {result.stderr}"
        assert result.stdout.strip(), way
    out = tmp_path / "texts.jsonl"
    result = command("text.generate", "--weights", run_folder, "--prompt", "The sea", "--n", 5, "--out", out)
    assert result.returncode == 0, result.stderr
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 5 and all(row["text"].startswith("The sea") for row in rows)
    assert {row["style"] for row in rows} == {"tale", "news"}
    again = command("text.generate", "--weights", run_folder, "--seed", 3)
    assert again.stdout == command("text.generate", "--weights", run_folder, "--seed", 3).stdout


def test_a_latent_gan_is_trained_and_used(run_folder: Path, corpus: Path, tmp_path: Path) -> None:
    assert_refused(command("text.generate", "--weights", run_folder, "--sampler", "gan"), "--sampler", "gan")
    out = tmp_path / "gan"
    result = command("text.train", "--core", "gan", "--weights", run_folder, "--data", corpus, *SHORT, "--out", out)
    assert result.returncode == 0, result.stderr
    written = command("text.generate", "--weights", out, "--sampler", "gan", "--n", 2)
    assert written.returncode == 0, written.stderr


def test_evaluate_reports(run_folder: Path, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    result = command("text.evaluate", "--weights", run_folder, "--n", 100, "--importance", 2, "--out", out)
    assert result.returncode == 0, result.stderr
    found = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    names = {row["figure"] for rows in found["tables"].values() for row in rows}
    assert {"nats a text", "distinct-2", "self-BLEU-4", "style accuracy", "copied 8-grams"} <= names
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Unpicked samples: tale" in page and "<script" not in page


def test_bad_input_is_refused_in_one_line(run_folder: Path, corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "three.txt").write_text("one\ntwo\nthree\n")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "picture.txt").write_bytes(bytes(range(256)) * 10)
    (tmp_path / "latin.txt").write_bytes("été\n".encode("latin-1") * 100)
    train = ("text.train", "--out", tmp_path / "none", "--data")
    assert_refused(command(*train, tmp_path / "three.txt"), "three.txt", "3 texts")
    assert_refused(command(*train, tmp_path / "empty.txt"), "empty.txt")
    assert_refused(command(*train, tmp_path / "picture.txt"), "picture.txt, line 1")
    assert_refused(command(*train, tmp_path / "latin.txt"), "latin.txt, line 1", "UTF-8")
    assert_refused(command(*train, tmp_path / "nowhere"), "nowhere")
    assert_refused(command(*train, corpus, "--core", "gan"), "--weights")
    assert_refused(command(*train, corpus, "--penalty", "2"), "--penalty")
    assert not (tmp_path / "none").exists()
    generate = ("text.generate", "--weights", run_folder)
    assert_refused(command(*generate, "--style", "epic"), "--style epic", "tale")
    assert_refused(command(*generate, "--temperature", "-1"), "--temperature")
    assert_refused(command(*generate, "--top-p", "0"), "--top-p")
    assert_refused(command(*generate, "--prompt", "word " * 5_000), "--prompt", "25,000 characters")
    assert_refused(command(*generate, "--prompt", "word " * 100), "--prompt", "shorten")
    assert_refused(command(*generate, "--restyle", "news"), "--restyle")
    assert_refused(command(*generate, "--interpolate", "one"), "--interpolate")
    assert_refused(command(*generate, "--out", tmp_path / "x.mid"), "--out")
    assert_refused(command("text.generate", "--weights", "nothing"), "nothing")
    (run_folder / "copy").mkdir()
    for name in ("config.json", "model.safetensors"):
        (run_folder / "copy" / name).write_bytes((run_folder / name).read_bytes())
    (run_folder / "copy" / "vocabulary.model").write_bytes(b"no vocabulary")
    assert_refused(command("text.generate", "--weights", run_folder / "copy"), "vocabulary.model")


def test_an_interrupted_run_goes_on(corpus: Path, tmp_path: Path) -> None:
    flags = ("--data", corpus, *TINY, "--snapshot", "96", "--device", "cpu", "--out", tmp_path / "run")
    words = [sys.executable, "-m", "text.train", *map(str, flags), "--minutes", "5"]
    process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "run" / "checkpoints").glob("*")) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130 and "go on with --resume" in said
    result = command("text.train", *flags, "--resume", "--steps", "1")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--n", 150, "--candidates", 2, "--max-length", 3),  # that repeat each other, which the others cannot foresee
        ("--n", 70, "--candidates", 2, "--acrostic", "AN"),
    ],
    ids=["texts", "lines"],
)
def test_two_processes_write_the_same(words: tuple[object, ...], run_folder: Path, tmp_path: Path) -> None:
    alone, shared, said = alone_and_shared(
        tmp_path, "text.generate", "--weights", run_folder, *words, out="texts.jsonl"
    )
    assert alone.read_bytes() == shared.read_bytes()
    assert said.count("wrote") == 1


def test_two_processes_measure_the_same(run_folder: Path, tmp_path: Path) -> None:
    words = ("text.evaluate", "--weights", run_folder, "--n", 100, "--importance", 2)
    alone, shared, said = alone_and_shared(tmp_path, *words)
    assert_same_files(alone, shared)
    assert said.count("report.html") == 1
