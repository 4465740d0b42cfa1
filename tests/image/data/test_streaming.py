"""Pictures that are decoded on demand: the same as decoded ones, in the same order, whatever is kept."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import assert_refused, command
from shard_making import labelled, noise, write_parquet, write_tar

from common.data.arrays import Arrays, FamilyArrays, MirroredArrays
from common.data.ondemand import Kept, OnDemand
from common.errors import UserError
from image.data import streaming
from image.data.loading import ImageData, described, load_images

SEEDS, ROW = range(60), 3 * 16 * 16
NOTHING, SOME = 1e-9, 30 * ROW / 1e9  # GB: of no picture, of 30


pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def shards(tmp_path: Path) -> str:
    for number in range(3):
        write_tar(tmp_path / "shards" / f"{number}.tar", labelled(SEEDS[20 * number : 20 * number + 20]))
    return str(tmp_path / "shards" / "{0..2}.tar")


def images(data: ImageData) -> OnDemand:
    found: object = data.train.tensors["image"]
    assert isinstance(found, OnDemand)
    return found


def batches(arrays: Arrays | MirroredArrays, steps: int = 12) -> list[dict[str, torch.Tensor]]:
    return [arrays.gather(arrays.indices(3, step, 16)) for step in range(steps)]


def equal(ones: list[dict[str, torch.Tensor]], others: list[dict[str, torch.Tensor]]) -> bool:
    pairs = zip(ones, others, strict=True)
    return all(one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one) for one, other in pairs)


@pytest.mark.parametrize("cache_size", [NOTHING, SOME])
def test_batches_are_those_of_decoded_pictures(shards: str, cache_size: float) -> None:
    decoded, streamed = load_images(shards), load_images(shards, cache_size=cache_size)
    assert len(images(streamed)) == len(decoded.train) and streamed.spec == decoded.spec
    assert streamed.names == decoded.names and streamed.captions == decoded.captions
    assert all(torch.equal(streamed.test.tensors[k], decoded.test.tensors[k]) for k in ("image", "label"))
    assert equal(batches(decoded.train), batches(streamed.train))
    assert equal(batches(MirroredArrays(decoded.train)), batches(MirroredArrays(streamed.train)))
    assert torch.equal(decoded.train.tensors["image"][3:9], streamed.train.tensors["image"][3:9])
    parts = list(streamed.train.tensors["image"].split(7))
    assert torch.equal(torch.cat(parts), decoded.train.tensors["image"])
    assert torch.equal(torch.stack(list(images(streamed))), decoded.train.tensors["image"])


def test_a_zip_or_folder_is_streamed_alike(tmp_path: Path) -> None:
    for seed in SEEDS:
        (tmp_path / "f").mkdir(exist_ok=True)
        (tmp_path / "f" / f"{seed}.png").write_bytes(noise(seed))
    decoded = load_images(str(tmp_path / "f"), 8, "squares")
    streamed = load_images(str(tmp_path / "f"), 8, "squares", cache_size=NOTHING)
    assert equal(batches(decoded.train), batches(streamed.train))


def test_described_pictures_are_taken_without_being_decoded(tmp_path: Path) -> None:
    members = labelled(SEEDS)
    for seed in range(0, 60, 7):
        del members[f"{seed:04}.txt"]
    path = str(write_tar(tmp_path / "a.tar", members))
    (decoded, captions, _), (streamed, same, _) = (
        described(load_images(path)),
        described(load_images(path, cache_size=SOME)),
    )
    assert captions == same and len(images(streamed)) == len(captions.texts)
    one, other = (FamilyArrays(data.train.tensors, captions.families) for data in (decoded, streamed))
    assert equal(batches(one), batches(other))
    assert images(streamed).digest() != load_images(path, cache_size=SOME).train.digest()


def test_the_digest_is_of_the_content(tmp_path: Path, shards: str) -> None:
    first = load_images(shards, cache_size=NOTHING).train.digest()
    assert load_images(shards, cache_size=SOME).train.digest() == first
    write_tar(tmp_path / "shards" / "0.tar", labelled(range(100, 120)))
    assert load_images(shards, cache_size=NOTHING).train.digest() != first


def test_kept_rows_are_decoded_once_and_torn_ones_anew(shards: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = load_images(shards).train
    streamed = load_images(shards, cache_size=SOME)
    kept = images(streamed).kept
    assert 0 < len(kept.rows) < 30
    assert equal(batches(decoded), batches(streamed.train))
    images(streamed).pool.shutdown()  # which makes the rows of a step that does not come
    assert kept.checksums.all()
    kept.rows[0, 0, 0] ^= 1  # as a write that reached the disk by half
    made = []
    again = load_images(shards, cache_size=SOME)
    make = images(again).make
    monkeypatch.setattr(images(again), "make", lambda number: made.append(number) or make(number))
    assert equal(batches(decoded), batches(again.train))
    assert 0 in made and set(made) <= {0, *range(len(kept.rows), len(again.train))}


def test_what_cannot_be_read_is_replaced_with_its_label(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    members = labelled(SEEDS)
    bad = load_images(str(write_tar(tmp_path / "a.tar", members))).names[0][10].partition("/")[2]
    members[bad] = bytes(members[bad])[:200]
    data = load_images(str(write_tar(tmp_path / "a.tar", members)), cache_size=NOTHING)
    row = data.names[0].index(f"a.tar/{bad}")
    found = data.train.gather(torch.tensor([row, (row + 1) % len(data.train)]))
    assert torch.equal(found["image"][0], found["image"][1]) and found["label"][0] == found["label"][1]
    assert equal(batches(data.train), batches(load_images(data_of(tmp_path), cache_size=SOME).train))
    said = capsys.readouterr().err
    assert f"a.tar/{bad} cannot be read (image file is truncated" in said and "as 1 so far" in said


def data_of(folder: Path) -> str:
    return str(folder / "a.tar")


def test_nothing_that_can_be_read_ends_in_one_line() -> None:
    rows = OnDemand(lambda number: "broken", nothing_kept(), (5, 1, 2, 2), "", str)
    with pytest.raises(UserError, match="none of the pictures can be read"):
        rows[torch.tensor([1, 2])]


def nothing_kept() -> Kept:
    return Kept(np.empty((0, 1, 2, 2), np.uint8), np.empty(0, np.uint32))


def test_what_needs_all_rows_at_once_is_refused() -> None:
    rows = OnDemand(lambda number: np.zeros((1, 2, 2), np.uint8), nothing_kept(), (5, 1, 2, 2), "", str)
    with pytest.raises(UserError, match="needs all pictures at once"):
        rows.float()
    with pytest.raises(UserError, match="needs all pictures at once"):
        torch.cat([rows, rows])  # type: ignore[list-item]


def test_parquet_beyond_the_cache_is_refused(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"image": [{"bytes": noise(seed)} for seed in SEEDS]})
    with pytest.raises(UserError, match=r"python -m common\.shards .*a\.parquet --out shards/"):
        load_images(str(path), cache_size=NOTHING)


def test_of_many_held_out_pictures_some_are_decoded(shards: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load_images(shards, cache_size=NOTHING)
    monkeypatch.setattr(streaming, "HELD_OUT", 2)
    some = load_images(shards, size=17, cache_size=NOTHING)  # another size, as the cache has the whole
    assert len(some.test) == 2 and set(some.names[1]) < set(whole.names[1]) and some.names[0] == whole.names[0]


def test_grey_pictures_are_of_one_channel(tmp_path: Path) -> None:
    from PIL import Image

    members: dict[str, bytes | str] = {}
    for seed in SEEDS:
        stream = io.BytesIO()
        Image.open(io.BytesIO(noise(seed))).convert("L").save(stream, "PNG")
        members[f"{seed}.png"] = stream.getvalue()
    path = str(write_tar(tmp_path / "a.tar", members))
    assert load_images(path, cache_size=NOTHING).spec.channels == 1
    assert equal(batches(load_images(path).train), batches(load_images(path, cache_size=NOTHING).train))
    assert load_images(path, grey=False, cache_size=NOTHING).spec.channels == 3


FLAGS = ("--core", "gan", "--net-size", "debug", "--batch", 8, "--snapshot", 80, "--final-lr", 1, "--device", "cpu")


def test_a_run_on_demand_is_that_on_decoded_pictures_and_resumes_exactly(tmp_path: Path, shards: str) -> None:
    def train(name: str, steps: int, *flags: object) -> bytes:
        out = tmp_path / name
        done = command("image.train", "--data", shards, "--steps", steps, "--out", out, *FLAGS, *flags)
        assert done.returncode == 0, done.stderr
        return (out / "model.safetensors").read_bytes()

    whole = train("decoded", 20)
    assert train("streamed", 20, "--cache-size", SOME) == whole
    train("resumed", 10, "--cache-size", SOME)
    assert train("resumed", 20, "--cache-size", NOTHING, "--resume") == whole
    again = "--data", shards, "--steps", 30, "--out", tmp_path / "resumed", *FLAGS, "--resume"
    refused = command("image.train", *again, "--cache-size", 9)
    assert_refused(refused, "the data are not those")
    assert_refused(refused, "give --cache-size ")


def test_of_several_processes_each_makes_its_own_rows_once(shards: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load_images(shards).train
    made: dict[int, list[int]] = {0: [], 1: []}
    epoch = len(whole) // 8 - 1  # steps in which nothing comes twice, the last of which is made ahead
    for rank in made:
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "2")
        train = load_images(shards, cache_size=NOTHING).train
        rows: object = train.tensors["image"]
        assert isinstance(rows, OnDemand)
        make = rows.make
        rows.make = lambda number, rank=rank, make=make: made[rank].append(number) or make(number)
        for step in range(epoch):
            mine = train.indices(0, step, 8)[4 * rank : 4 * rank + 4]
            assert torch.equal(train.gather(mine)["image"], whole.gather(mine)["image"])
        rows.pool.shutdown()
    assert len(made[0]) == len(set(made[0])) == len(made[1]) == 4 * (epoch + 1)
    assert not set(made[0]) & set(made[1])
