"""What a command is given to read is looked for by the marks on the types of its settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from tyro.conf import Positional, arg

from common.errors import UserError
from common.inputs import DataName, DataNames, InputFile, Words, check_inputs, flag_of

Data = Annotated[str, DataName(("digits", "faces"))]


@dataclass(frozen=True, kw_only=True)
class ReadConfig:
    """Settings of a command that reads."""

    picture: Positional[Annotated[InputFile, arg(metavar="PICTURE")]]
    data: Data = "digits"
    more_data: tuple[Data, ...] = ()
    several: Annotated[str, DataNames(("digits", "faces"))] = "digits"
    mask: InputFile | None = None
    from_: Annotated[InputFile | None, arg(name="from")] = None
    out: Path = Path("nowhere")  # is written


def test_what_is_there_passes(tmp_path: Path) -> None:
    folder, picture = str(tmp_path), tmp_path / "a.png"
    picture.touch()
    check_inputs(ReadConfig(picture=picture))
    check_inputs(ReadConfig(picture=picture, data=folder, more_data=("faces", folder), mask=picture, from_=picture))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"picture": Path("none.png")}, "none.png: no such file"),
        ({"mask": Path("none.png")}, "--mask none.png: no such file"),
        ({"from_": Path("none.mid")}, "--from none.mid: no such file"),
        ({"mask": Path("x" * 5_000)}, f"--mask {'x' * 5_000}: no such file"),  # longer than names can be
        ({"data": "none"}, "--data none: no such file or folder; built in are digits, faces"),
        ({"data": "~nobody-here/none"}, "--data ~nobody-here/none: no such file or folder; built in are digits, faces"),
        ({"data": ""}, "--data : no such file or folder; built in are digits, faces"),
        (
            {"several": "digits,none"},
            "--several digits,none: none: no such file or folder; built in are digits, faces",
        ),
        ({"more_data": ("digits", "none")}, "--more-data none: no such file or folder; built in are digits, faces"),
    ],
)
def test_what_is_missing_is_told_with_its_flag(
    settings: dict[str, object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.png").touch()
    with pytest.raises(UserError) as caught:
        check_inputs(ReadConfig(**{"picture": Path("a.png")} | settings))  # type: ignore[arg-type]
    assert str(caught.value) == said


def test_several_data_sets_have_commas_between(tmp_path: Path) -> None:
    (tmp_path / "a,b").mkdir()
    names, folder = DataNames(("digits",)), str(tmp_path / "a,b")
    assert names.split(folder) == [folder] and names.split(f"digits,{tmp_path}") == ["digits", str(tmp_path)]


def test_flags_are_called_as_the_parser_calls_them() -> None:
    names = ("picture", "data", "more_data", "from_", "out")
    assert [flag_of(ReadConfig, name) for name in names] == ["", "data", "more-data", "from", "out"]


def test_words_that_are_no_unicode_are_refused_and_names_of_files_are_not() -> None:
    @dataclass(frozen=True)
    class Settings:
        label: tuple[Words, ...] = ()
        mask: InputFile | None = None

    check_inputs(Settings(("Café", "日本")))
    with pytest.raises(UserError, match=r"^--label caf.* has bytes that are no utf-8; write it in UTF-8"):
        check_inputs(Settings(("good", "caf\udce9")))
    with pytest.raises(UserError, match="no such file"):
        check_inputs(Settings(mask=Path("caf\udce9")))
