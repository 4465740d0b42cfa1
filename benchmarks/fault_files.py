"""Results, weights and caches whose writing is killed."""

import os
from pathlib import Path
from random import Random
from typing import Any

from fault_tools import Fault, contents, finished, left_over, together

PICTURES, SIDE = 4, 48
FRAMES = 40
FILMS = "[!.]*.mp4"  # none that is still being written
CACHED = 60  # pictures that are decoded into the cache
HEADER = 128  # bytes of an array's file before its numbers
WRITES = 20  # of weights


def noise(path: Path, seed: int, side: int = SIDE) -> Path:
    """A picture of chance, made unless it is there."""
    import numpy as np
    from PIL import Image

    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)).save(path)
    return path


# --- pictures and films


def upscale(out: Path) -> None:
    """Upscale some pictures."""
    sources = [noise(out.parent / "pictures" / f"{number}.png", number) for number in range(PICTURES)]
    _upscale(sources[0].parent, out)


def upscale_film(out: Path) -> None:
    """Upscale a film."""
    import av
    import numpy as np

    path = out.parent / "films" / "film.mp4"
    if not path.exists():
        path.parent.mkdir()
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
            for number in range(FRAMES):
                frame = np.random.default_rng(number).integers(0, 255, (24, 32, 3), np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
            container.mux(stream.encode())
    _upscale(path.parent, out)


def _upscale(sources: Path, out: Path) -> None:
    from superres.config import UpscaleConfig
    from superres.upscale import main as enlarge

    enlarge(UpscaleConfig(paths=(str(sources),), out=out, device="cpu", threads=1))


def upscale_killed(folder: Path, number: int, chance: Random, took: float) -> str:
    """Kill the upscaling of pictures, look at what is there, and go on."""
    out, whole = folder / f"out-{number}", contents(folder / "whole", "*.png")
    finished(lambda: upscale(out), chance.random() * took)
    made = contents(out, "[!.]*")
    if any(whole.get(name) != content for name, content in made.items()):
        return "a picture is there in part"
    return pictures_are_whole(out, folder / "whole") if finished(lambda: upscale(out)) else "it does not go on"


def pictures_are_whole(out: Path, whole: Path) -> str:
    """What is wrong with upscaled pictures, or ""."""
    return left_over(out) if contents(out, "[!.]*") == contents(whole, "*.png") else "the pictures are others"


def film_killed(folder: Path, number: int, chance: Random, took: float) -> str:
    """Kill the upscaling of a film, look at what is there, and go on."""
    out, wanted = folder / f"out-{number}", _frames(folder / "whole")
    finished(lambda: upscale_film(out), chance.random() * took)
    if list(out.glob(FILMS)) and _frames(out) != wanted:
        return "the film is there in part"
    return film_is_whole(out, folder / "whole") if finished(lambda: upscale_film(out)) else "it does not go on"


def film_is_whole(out: Path, whole: Path) -> str:
    """What is wrong with an upscaled film, or ""."""
    if _frames(out) != _frames(whole):
        return "the film is another"
    others = [path.name for path in out.iterdir() if path.suffix != ".mp4"]
    return f"{', '.join(others)} is left" if others else left_over(out)


def _frames(folder: Path) -> list[bytes]:
    """The pictures of the film in a folder."""
    import av

    (path,) = folder.glob(FILMS)
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").tobytes() for frame in container.decode(video=0)]


# --- the cache


def decode(out: Path) -> None:
    """Decode pictures into the cache."""
    _loaded(out)


def _loaded(cache: Path) -> Any:
    from image.data.loading import load_images

    sources = [noise(cache.parent / "many" / f"{number}.png", number) for number in range(CACHED)]
    os.environ["QUARTET_CACHE"] = str(cache)
    return load_images(str(sources[0].parent), 32)


def decode_killed(folder: Path, number: int, chance: Random, took: float) -> str:
    """Kill what decodes pictures into the cache, and load them."""
    cache = folder / f"cache-{number}"
    finished(lambda: decode(cache), chance.random() * took)
    if not finished(lambda: decode(cache)):
        return "the pictures cannot be loaded any more"
    left = [path.name for path in cache.rglob("*.partial")]
    return f"{left[0]} is left" if left else _same_pictures(cache, folder / "whole", "killed")


def cache_damaged(folder: Path, number: int, chance: Random, took: float) -> str:
    """Let two processes fill a cache at once, damage a file of it, and load the pictures.

    Of the numbers themselves no byte is changed, as nobody would notice.
    """
    cache = folder / f"damaged-{number}"
    if any(together(lambda: decode(cache), lambda: decode(cache))):
        return "of two processes that fill it at once one fails"
    path = chance.choice(sorted([*cache.rglob("*.npy"), *cache.rglob("meta.json")]))
    content = bytearray(path.read_bytes())
    place = chance.randrange(min(len(content), HEADER) if path.suffix == ".npy" else len(content))
    how = f"{path.name} {'changed' if number % 2 else 'cut'} at byte {place} of {len(content):,}"
    if number % 2:
        content[place] ^= chance.randrange(1, 256)
    path.write_bytes(content if number % 2 else content[:place])
    if not finished(lambda: decode(cache)):
        return f"{how}: the pictures cannot be loaded any more"
    return _same_pictures(cache, folder / "whole", how)


def _same_pictures(cache: Path, whole: Path, how: str) -> str:
    found, wanted = (_loaded(place) for place in (cache, whole))
    same = found.train.digest() == wanted.train.digest() and found.test.digest() == wanted.test.digest()
    return "" if same else f"{how}: other pictures are loaded"


# --- weights


def write(out: Path) -> None:
    """Write weights again and again, those of other numbers every time."""
    import torch

    from common.weights import save_weights

    network = torch.nn.Linear(200, 200)
    for number in range(WRITES):
        torch.nn.init.constant_(network.weight, number)
        torch.nn.init.constant_(network.bias, number)
        save_weights(out, network, {"domain": "benchmark", "kind": "tiny", "number": number}, f"Number {number}\n" * 99)


def write_killed(folder: Path, number: int, chance: Random, took: float) -> str:
    """Kill the writing of weights, look at them, and write again."""
    from common.errors import UserError

    out = folder / str(number)
    finished(lambda: write(out), chance.random() * took)
    try:
        torn = (out / "model.safetensors").exists() and not is_one(out)
    except UserError as error:
        return str(error)
    if torn:
        return "the weights are of several times"
    if not finished(lambda: write(out)) or not is_one(out):
        return "weights cannot be written any more"
    return left_over(out)


def is_one(out: Path) -> bool:
    """Whether every file of a weights folder is whole, and the tensors are all of one time."""
    from common.weights import load_tensors
    from common.weights_folders import read_config

    numbers = {
        value for tensor in load_tensors(out / "model.safetensors").values() for value in tensor.unique().tolist()
    }
    card = (out / "README.md").read_text()
    return len(numbers) == 1 and "number" in read_config(out) and len(set(card.splitlines())) == 1


FILES = {
    "pictures": Fault(upscale, upscale_killed),
    "film": Fault(upscale_film, film_killed),
    "cache": Fault(decode, decode_killed),
    "damaged-cache": Fault(decode, cache_damaged),
    "weights": Fault(write, write_killed),
}
