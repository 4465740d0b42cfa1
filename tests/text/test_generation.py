"""What the command line asks for: samples by style, ways from one text to another, neighbours, files."""

import json
from pathlib import Path

import pytest
import torch

import text
from common.errors import UserError
from text.config import GenerateConfig
from text.decoding import GREEDY
from text.generation import ENDS, Written, _off_topic, make_texts, plain, sampling_params, save_texts, shown
from text.models import TextModel

START, END = "Grey cat sat on the mat", "The old owl sang,\nand there the fox ran."


def made(model: TextModel, **settings: object) -> list[Written]:
    return make_texts(model, GenerateConfig(**settings))  # type: ignore[arg-type]


def test_styles_take_turns_and_come_together(model: TextModel) -> None:
    assert [one.style for one in made(model, n=5)] == ["news", "news", "news", "poem", "poem"]
    assert {one.style for one in made(model, n=3, style="POEM")} == {"poem"}
    with pytest.raises(UserError, match="--style epic: unknown to animals; it writes news, poem"):
        made(model, style="epic")


def test_a_prompt_begins_every_text(model: TextModel) -> None:
    assert all(one.text.startswith("Grey cat") for one in made(model, n=4, prompt="Grey cat"))
    with pytest.raises(UserError, match=r"--prompt has .* pieces of words, of which animals takes 31"):
        made(model, prompt="wild owl " * 60)


def test_stanzas_follow_the_first_text(model: TextModel) -> None:
    (one,), (three,) = made(model, n=1, style="news"), made(model, n=1, style="news", stanzas=3)
    assert three.text.startswith(one.text) and len(three.text) > len(one.text)


def test_sentences_follow_the_first_on_a_word_of_those_before(model: TextModel) -> None:
    (one,), (three,) = made(model, n=1, style="news"), made(model, n=1, style="news", sentences=3)
    assert three.text.startswith(one.text + ("" if one.text[-1] in ENDS else "."))
    far = _off_topic(model, [["Wild hen sang on the lawn"]])
    assert [far(0, text) for text in ("Old HENS ran", "the on", "Wild hen sang on the lawn")] == [0, 1, 2]
    poem = made(model, n=1, style="poem", sentences=2)[0].text, made(model, n=1, style="poem", stanzas=2)[0].text
    assert ("\n\n" in poem[0]) == ("\n\n" in poem[1])  # texts of several lines stay whole


def test_a_way_begins_at_one_text_and_ends_at_the_other(model: TextModel) -> None:
    way = made(model, interpolate=(START, END), n=4, style="news")
    labels = torch.zeros(2, dtype=torch.int64)
    ends = model.write(
        model.encode([START, END], labels).mean, labels, sampling_params(model, GenerateConfig(temperature=0))
    )
    assert [way[0].text, way[-1].text] == ends and len(way) == 4
    assert [one.given for one in way] == [START, "", "", END]
    assert shown(way).startswith(f"-- given\n{START}\n\n-- news\n") and shown(way).endswith(f"\n\n-- given\n{END}")
    assert [one.given for one in made(model, interpolate=(START, END), n=1)] == [START]


def test_arithmetic_adds_what_two_texts_differ(model: TextModel) -> None:
    found = made(model, arithmetic=(START, "Old dog slept", END), style="news", n=3, temperature=0.0)
    labels = torch.zeros(3, dtype=torch.int64)
    first, second, third = model.encode([START, "Old dog slept", END], labels).mean
    likeliest = sampling_params(model, GenerateConfig(temperature=0))
    assert [found[0].text] == model.write((first - second + third)[None], labels[:1], likeliest) and len(found) == 3
    same = made(model, arithmetic=(START, END, END), n=3, seed=1)
    assert same == made(model, like=START, n=3, seed=1)
    with pytest.raises(UserError, match="--style epic"):
        made(model, arithmetic=(START, END, END), style="epic")


@pytest.mark.parametrize("flag", ["interpolate", "arithmetic", "like"])
def test_a_given_text_may_be_a_file(model: TextModel, tmp_path: Path, flag: str) -> None:
    def asked(text: str) -> dict[str, object]:
        return {flag: text if flag == "like" else (text, END, END)[: 2 if flag == "interpolate" else 3]}

    path = tmp_path / "given.txt"
    path.write_text(f"{START}\n", encoding="utf-8")
    assert made(model, n=3, **asked(str(path))) == made(model, n=3, **asked(START))
    for content, said in ((b"", "is empty"), (b"\xff", "cannot be read"), (b"owl " * 60, "pieces of words")):
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"^--{flag} .*{said}"):
            made(model, n=3, **asked(str(path)))
    path.unlink()
    with pytest.raises(UserError, match=f"^--{flag} .*no such file"):
        GenerateConfig(**asked(str(path))).check_inputs()  # type: ignore[arg-type]
    GenerateConfig(**asked("read the notes.txt")).check_inputs()  # type: ignore[arg-type]


def test_neighbours_begin_with_the_posteriors_mean(model: TextModel) -> None:
    found = made(model, like=START, style="news", n=3, temperature=0.0)
    labels = torch.tensor([0])
    mean = model.write(
        model.encode([START], labels).mean, labels, sampling_params(model, GenerateConfig(temperature=0))
    )
    assert [found[0].text] == mean and len(found) == 3
    assert {one.style for one in made(model, like=START, restyle="poem", n=2)} == {"poem"}


def test_what_a_way_or_a_beam_does_not_read_is_refused() -> None:
    for wrong in (
        {"like": START, "stanzas": 2},
        {"interpolate": (START, END), "prompt": "x"},
        {"interpolate": (START, END), "like": START},
        {"interpolate": (START, " ")},
        {"arithmetic": (START, END)},
        {"arithmetic": (START, END, " ")},
        {"arithmetic": (START, END, END), "like": START},
        {"arithmetic": (START, END, END), "prompt": "x"},
        {"arithmetic": (START, END, END), "restyle": "poem"},
        {"arithmetic": (START, END, END), "acrostic": "AB"},
        {"restyle": "news"},
        {"beam": 3, "temperature": 0.5},
        {"beam": 3, "top_k": 5},
        {"beam": 3, "candidates": 2},
    ):
        with pytest.raises(UserError):
            GenerateConfig(**wrong)  # type: ignore[arg-type]


def test_a_transformer_has_a_greatest_length(model: TextModel) -> None:
    assert (
        sampling_params(model, GenerateConfig(max_length=200)).longest == 200
    )  # a GRU goes on for as long as one likes
    model.vae.decoder = torch.nn.Identity()
    with pytest.raises(UserError, match="--max-length 200: animals writes 32 pieces at most"):
        sampling_params(model, GenerateConfig(max_length=200))


def test_defaults_draw_and_ways_are_likeliest(model: TextModel) -> None:
    assert sampling_params(model, GenerateConfig()).temperature == 0.8
    assert sampling_params(model, GenerateConfig(interpolate=(START, END))).temperature == GREEDY.temperature == 0


def test_texts_of_several_lines_are_kept_apart() -> None:
    assert plain(["a", "b"]) == "a\nb"
    assert plain(["a\nb", "c"]) == "a\nb\n\nc"
    assert plain(["a\n\nb", "c"]) == "a\n\nb\n\n* * *\n\nc"


def test_files_are_plain_or_jsonl(tmp_path: Path) -> None:
    texts = [Written("Étude", "news", given="Etüde"), Written('say "x"', "poem")]
    save_texts(texts, tmp_path / "a.txt")
    save_texts(texts, tmp_path / "a.jsonl")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == 'Étude\nsay "x"\n'
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows == [{"text": "Étude", "style": "news", "given": "Etüde"}, {"text": 'say "x"', "style": "poem"}]


def test_from_python_texts_come_back_and_files_are_no_setting() -> None:
    found = text.write("poem", n=2, candidates=1, seed=1)
    assert found == text.write(style="poem", n=2, candidates=1, seed=1) and len(found) == 2 and all(found)
    with pytest.raises(TypeError, match="out"):
        text.write(out="x.txt")  # type: ignore[call-arg]
    with pytest.raises(UserError, match="--style"):
        text.write("limerick")
    with pytest.raises(UserError, match=r"--prompt .* no utf-8"):
        text.write(prompt="half \ud83d")
