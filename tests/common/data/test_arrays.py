"""Arrays, epochs, splits and the cache keep what `common.data.arrays` promises."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from common.data.arrays import (
    Arrays,
    FamilyArrays,
    MirroredArrays,
    allocate,
    allocate_nameless,
    cache_folder,
    cached,
    count_reasons,
    digest,
    families,
    split,
)
from common.data.order import batch_indices
from common.errors import UserError

pytestmark = pytest.mark.usefixtures("cache")


# --- Arrays -----------------------------------------------------------------------------------------------------------


def examples() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {"image": generator.integers(0, 256, (7, 3, 4, 4), dtype=np.uint8), "label": np.arange(7)}


def test_gather_takes_rows_in_any_order_and_keeps_types() -> None:
    arrays, rows = examples(), [6, 0, 6, 3]
    batch = Arrays(arrays).gather(torch.tensor(rows))
    assert batch["image"].dtype == torch.uint8 and batch["label"].dtype == torch.int64
    assert np.array_equal(batch["image"].numpy(), arrays["image"][rows])
    assert batch["label"].tolist() == rows


def test_length_and_bytes() -> None:
    data = Arrays(examples())
    assert len(data) == 7
    assert data.nbytes == 7 * 48 + 7 * 8


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        Arrays({"image": np.zeros((3, 1)), "label": np.zeros(2)})


def test_wrapping_and_the_cpu_copy_nothing() -> None:
    arrays = examples()
    held = Arrays(arrays).on("cpu", budget_bytes=10**9)
    assert held.tensors["image"].data_ptr() == arrays["image"].ctypes.data


def test_a_gathered_batch_is_a_copy() -> None:
    arrays = examples()
    Arrays(arrays).gather(torch.arange(7))["image"].zero_()
    assert arrays["image"].any()


@pytest.mark.parametrize(("budget", "held_on"), [(10**6, "meta"), (10, "cpu")])
def test_arrays_are_held_on_the_device_only_within_the_budget(budget: int, held_on: str) -> None:
    data = Arrays(examples()).on("meta", budget)
    assert data.tensors["image"].device.type == held_on
    batch = data.gather(torch.tensor([1, 2]))
    assert batch["image"].device.type == "meta" and batch["image"].shape == (2, 3, 4, 4)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_what_a_domain_adds_to_its_arrays_moves_along(device: str) -> None:
    class Named(Arrays):
        def __init__(self, arrays: dict[str, np.ndarray], name: str) -> None:
            super().__init__(arrays)
            self.name = name

    data = Named(examples(), "tiles")
    moved = data.on(device, budget_bytes=10**6)
    assert type(moved) is Named and moved.name == "tiles"
    assert (moved.device.type, data.device.type, data.tensors["image"].device.type) == (device, "cpu", "cpu")
    assert torch.equal(moved.indices(1, 5, 4), data.indices(1, 5, 4))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("budget", [10**6, 10])
def test_cuda_batches_equal_those_of_the_cpu_and_never_wait(budget: int) -> None:
    arrays, rows = examples(), torch.tensor([5, 1, 1])
    data = Arrays(arrays).on("cuda", budget)
    torch.cuda.set_sync_debug_mode("error")
    try:
        batch = data.gather(rows)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert np.array_equal(batch["image"].cpu().numpy(), arrays["image"][rows.numpy()])


# --- Epochs and splits ------------------------------------------------------------------------------------------------


def test_arrays_are_visited_in_that_order() -> None:
    data = Arrays(examples())
    for step in (0, 3, 10**6):
        assert torch.equal(data.indices(2, step, 5), batch_indices(7, 2, step, 5))


def test_a_row_of_a_large_family_is_drawn_less_often_by_the_root_of_its_size() -> None:
    arrays = FamilyArrays({"x": np.arange(12)}, ["many"] * 9 + ["a", "b", "c"])
    assert torch.equal(arrays.indices(1, 5, 4), arrays.indices(1, 5, 4))
    assert not torch.equal(arrays.indices(1, 5, 64), arrays.indices(2, 5, 64))
    drawn = torch.bincount(torch.cat([arrays.indices(0, step, 100) for step in range(600)]), minlength=12)
    shares = drawn / drawn.sum()  # nine rows at 1/3 and three at 1 sum up to 6
    assert torch.allclose(shares[:9], torch.tensor(1 / 18), atol=0.005)
    assert torch.allclose(shares[9:], torch.tensor(1 / 6), atol=0.005)


def test_a_mirrored_row_is_the_row_left_for_right() -> None:
    plain, mirrored = Arrays(examples()), MirroredArrays(Arrays(examples()))
    batch, mirror = plain.gather(torch.tensor([2, 5])), mirrored.gather(torch.tensor([2 + 7, 5]))
    assert torch.equal(mirror["image"][0], batch["image"][0].flip(2)) and torch.equal(
        mirror["image"][1], batch["image"][1]
    )
    assert torch.equal(mirror["label"], batch["label"])


def test_every_other_row_is_mirrored_and_the_order_stays() -> None:
    mirrored = MirroredArrays(Arrays(examples()))
    assert len(mirrored) == 7 and mirrored.nbytes == Arrays(examples()).nbytes
    found = torch.cat([mirrored.indices(3, step, 64) for step in range(20)])
    assert torch.equal(found % 7, torch.cat([batch_indices(7, 3, step, 64) for step in range(20)]))
    assert (found >= 7).float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert torch.equal(mirrored.indices(3, 5, 64), mirrored.on("cpu", 0).indices(3, 5, 64))


@given(st.lists(st.text(max_size=3), min_size=1), st.integers(0, 5))
def test_equal_keys_are_on_one_side_and_no_side_is_empty(keys: list[str], seed: int) -> None:
    test = split(keys, 0.3, seed)
    held_out, kept = ({key for key, side in zip(keys, test, strict=True) if side == which} for which in (True, False))
    assert not held_out & kept
    assert kept and bool(held_out) == (len(set(keys)) > 1)


def test_the_share_held_out_is_about_right_and_seeds_differ() -> None:
    keys = [str(i) for i in range(10_000)]
    test = split(keys, 0.2)
    assert abs(test.mean() - 0.2) < 0.016  # four standard deviations of a binomial
    assert abs((test & split(keys, 0.2, seed=1)).mean() - 0.04) < 0.008


def test_a_data_set_that_grows_keeps_what_it_held_out() -> None:
    keys = [str(i) for i in range(1000)]
    assert np.array_equal(split(keys, 0.1)[:500], split(keys[:500], 0.1))


def test_families_follow_chains_of_either_key() -> None:
    names, contents = ["a", "a", "b", "c", "d"], ["1", "2", "2", "3", "4"]  # a-1, a-2, b-2 hang together
    assert families(names, contents) == ["a", "a", "a", "c", "d"]


def test_a_key_may_be_both_a_name_and_a_content() -> None:
    assert families(["x", "y"], ["y", "x"]) == ["x", "y"]


# --- The cache --------------------------------------------------------------------------------------------------------


def counting_builder(calls: list[Path], rows: int = 5) -> Callable[[Path], dict[str, Any]]:
    def build(folder: Path) -> dict[str, Any]:
        calls.append(folder)
        allocate(folder / "train.image.npy", (rows, 2), np.uint8)[:] = np.arange(rows * 2).reshape(rows, 2)
        return {"classes": ["ä", "b"]}

    return build


def test_an_entry_is_built_once_and_then_opened() -> None:
    calls: list[Path] = []
    for _ in range(2):
        arrays, facts = cached("key", counting_builder(calls))
        assert isinstance(arrays["train.image"], np.memmap)
        assert arrays["train.image"].tolist() == np.arange(10).reshape(5, 2).tolist()
        assert facts == {"classes": ["ä", "b"]}
    assert len(calls) == 1


def test_entries_of_different_keys_are_apart() -> None:
    calls: list[Path] = []
    cached("one", counting_builder(calls, 5))
    assert len(cached("two", counting_builder(calls, 6))[0]["train.image"]) == 6


def test_writing_to_an_opened_array_does_not_reach_the_cache() -> None:
    cached("key", counting_builder([]))[0]["train.image"][:] = 255
    assert cached("key", counting_builder([]))[0]["train.image"].max() == 9


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


@pytest.mark.parametrize("name", ["train.image.npy", "meta.json"])
@pytest.mark.parametrize("harm", [Path.unlink, truncate, lambda p: p.write_bytes(b""), lambda p: p.write_text("[1]")])
def test_a_damaged_entry_is_built_again(cache: Path, name: str, harm: Callable[[Path], Any]) -> None:
    calls: list[Path] = []
    cached("key", counting_builder(calls))
    harm(cache / digest(b"key") / name)
    arrays, _ = cached("key", counting_builder(calls))
    assert len(calls) == 2 and arrays["train.image"].shape == (5, 2)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("train.image.npy", b"(5, 2)", b"(2, 5)"),
        ("train.image.npy", b"(5, 2)", b"(5, 2("),  # numpy takes the head of an array to tokens
        ("train.image.npy", b"{", b"\xff"),
        ("meta.json", b"0", b"1"),
    ],
)
def test_an_entry_that_says_something_else_is_built_again(cache: Path, name: str, old: bytes, new: bytes) -> None:
    calls: list[Path] = []
    facts = cached("key", counting_builder(calls))[1]
    path = cache / digest(b"key") / name
    place = path.read_bytes().rindex(old)
    path.write_bytes(path.read_bytes()[:place] + new + path.read_bytes()[place + len(old) :])
    arrays, again = cached("key", counting_builder(calls))
    assert len(calls) == 2 and arrays["train.image"].shape == (5, 2) and again.keys() == facts.keys()


def test_an_entry_of_an_earlier_version_is_kept(cache: Path) -> None:
    calls: list[Path] = []
    facts = cached("key", counting_builder(calls))[1]
    path = cache / digest(b"key") / "meta.json"
    path.write_text(path.read_text().rpartition("\n")[2])
    assert cached("key", counting_builder(calls))[1] == facts and len(calls) == 1


def test_what_a_killed_build_left_is_cleared(cache: Path) -> None:
    left = cache / (digest(b"key") + ".partial")
    left.mkdir(parents=True)
    (left / "old.npy").write_bytes(b"half")
    assert set(cached("key", counting_builder([]))[0]) == {"train.image"}
    assert not left.exists()


def test_a_failed_build_leaves_no_entry(cache: Path) -> None:
    def build(folder: Path) -> dict[str, Any]:
        allocate(folder / "a.npy", (2,), np.uint8)
        raise UserError("bad data")

    with pytest.raises(UserError, match="bad data"):
        cached("key", build)
    assert [path for path in cache.iterdir() if path.is_dir()] == []


RACER = """
import sys, time, numpy as np
from pathlib import Path
from common.data.arrays import allocate, cached
def build(folder):
    with open(sys.argv[1], "a") as log:
        log.write("built\\n")
    array = allocate(folder / "x.npy", (3,), np.int64)
    time.sleep(0.3)
    array[:] = 7
    return {}
print(cached("race", build)[0]["x"].tolist())
"""


def test_of_two_processes_one_builds_and_both_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", RACER, str(log)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    racers = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [racer.communicate()[0] for racer in racers] == ["[7, 7, 7]\n"] * 2
    assert log.read_text() == "built\n"


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The nearest thing to a full disk that a test may ask for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_told_with_the_folder_and_the_way_out(cache: Path) -> None:
    with files_of_at_most(1 << 20), pytest.raises(UserError, match=rf"{cache}.*QUARTET_CACHE"):
        cached("key", counting_builder([], rows=10**6))
    assert [path for path in cache.iterdir() if path.is_dir()] == []


def test_a_nameless_file_holds_what_is_written_and_is_never_seen(tmp_path: Path) -> None:
    array = allocate_nameless(tmp_path, (2, 3), np.uint16)
    array[:] = np.arange(6).reshape(2, 3)
    assert array.dtype == np.uint16 and array.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_a_folder_is_told(cache: Path) -> None:
    cache.write_text("a file")
    with pytest.raises(UserError, match="QUARTET_CACHE"):
        cached("key", counting_builder([]))


def test_errors_that_are_not_the_disk_keep_their_traceback() -> None:
    def build(folder: Path) -> dict[str, Any]:
        raise FileNotFoundError(2, "No such file or directory", "source.csv")

    with pytest.raises(FileNotFoundError):
        cached("key", build)


def test_the_cache_may_be_deleted_while_it_is_read(cache: Path) -> None:
    arrays, _ = cached("key", counting_builder([]))
    shutil.rmtree(cache)
    assert arrays["train.image"][4].tolist() == [8, 9]


def test_the_default_folder_is_in_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUARTET_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "quartet"


def test_skipped_files_are_counted_by_their_reason() -> None:
    skipped = {"notes.txt": "no picture", "a.png": "truncated", "b.png": "truncated"}
    assert count_reasons(skipped) == "3 files: 2 truncated (a.png); 1 no picture (notes.txt)"
    assert count_reasons(skipped, "tunes").startswith("3 tunes: 2 truncated")
    assert count_reasons({f"{i}": f"reason {i}" for i in range(9)}).endswith("(3); and 5 more reasons")


def test_the_digest_of_data_changes_with_every_value_name_type_and_shape() -> None:
    arrays = {"image": torch.arange(12, dtype=torch.uint8).view(3, 4), "label": torch.arange(3)}
    changed = [
        arrays | {"image": arrays["image"] + (torch.arange(12).view(3, 4) == 11).to(torch.uint8)},
        arrays | {"label": arrays["label"].int()},
        {"image": arrays["image"], "mode": arrays["label"]},
        arrays | {"image": arrays["image"].view(3, 2, 2)},
    ]
    digests = {Arrays(values).digest() for values in (arrays, *changed)}
    assert len(digests) == 5
    assert Arrays(dict(reversed(arrays.items()))).digest() == Arrays(arrays).digest()
    assert MirroredArrays(Arrays(arrays)).digest() == Arrays(arrays).digest()
    families = [FamilyArrays(arrays, names).digest() for names in (["a", "a", "b"], ["a", "b", "c"])]
    assert families[0] != families[1]
