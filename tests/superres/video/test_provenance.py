"""Films that were upscaled: they tell how, beside what they told before."""

from pathlib import Path

import av
import pytest
import torch
from clips import make, noise

from common.provenance.reading import read_record
from common.provenance.record import made_by, recording
from superres.models import SuperResModel
from superres.networks import NetworkConfig, build_generator, fuse
from superres.video.upscaling import upscale_video


@pytest.fixture(scope="module")
def model() -> SuperResModel:
    torch.manual_seed(0)
    config = NetworkConfig("fast", 2, 2, 8)
    return SuperResModel(fuse(build_generator(config)).requires_grad_(False), config)


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_a_film_tells_how_it_was_made_beside_what_it_told(ending: str, model: SuperResModel, tmp_path: Path) -> None:
    make(tmp_path / "plain.mp4", noise(7))
    source, output = tmp_path / "film.mkv", tmp_path / f"large{ending}"
    with av.open(str(tmp_path / "plain.mp4")) as plain, av.open(str(source), "w") as film:
        film.metadata.update({"title": "Noise", "comment": "by hand"})
        copies = {stream: film.add_stream_from_template(stream) for stream in plain.streams}
        for packet in (packet for packet in plain.demux() if packet.size):
            packet.stream = copies[packet.stream]
            film.mux(packet)
    command = "python -m superres.upscale --scale 2"
    with recording(made_by("superres.upscale", command, None, ("x2-fast",), is_composite=True)):
        upscale_video(source, output, model)
    found = read_record(output)
    assert found.is_unchanged and found.record["command"] == command
    with av.open(str(output)) as film:
        told = {name.lower(): value for name, value in film.metadata.items()}
    assert told["title"] == "Noise" and told["comment"].splitlines()[0] == "by hand"
