"""Weights folders by name, without torch: those that ship, at a path or on the Hub, and what `config.json` says."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.inputs import Check

FORMAT = 1
CONFIG, MODEL, CARD = "config.json", "model.safetensors", "README.md"
CRITIC = "critic.safetensors"  # of GANs
NOT_AS_WRITTEN = (  # what reading and building raise where a config is another's or damaged
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    UserError,
)


@dataclass(frozen=True)
class WeightsName(Check):
    """Weights by bundled name, path (a weights folder or a run) or Hub id.

    Attributes:
        domain: that they are of.
        kinds: of `config.json`, of which they may be.
        words: whether they read descriptions of pictures; None: either way.
    """

    domain: str
    kinds: tuple[str, ...]
    words: bool | None = None

    def check(self, given: str, value: str) -> None:
        config = read_config(find_weights(value, self.domain, given, self.suits))
        if not self.suits(config):
            raise UserError(f"{given} {self.mismatch(config)}; {_proposed(self.domain, self.suits)}")

    def suits(self, config: dict[str, Any]) -> bool:
        """Whether weights of this `config.json` may be named."""
        is_kind = config.get("domain") == self.domain and config.get("kind") in self.kinds
        return is_kind and self.words in (None, "words" in config)

    def mismatch(self, config: dict[str, Any]) -> str:
        """What weights that do not suit are, and what they should be."""
        if WeightsName(self.domain, self.kinds).suits(config):
            found, wanted = ("descriptions", "do not") if "words" in config else ("no descriptions", "do")
            return f"read {found}; this command wants weights that {wanted}"
        found, wanted = f"{config.get('domain')}/{config.get('kind')}", " or ".join(self.kinds)
        return f"holds {found} weights; this command wants {self.domain}/{wanted}"


def bundled(domain: str) -> dict[str, Path]:
    """The weights that ship with a domain, by name."""
    root = Path(str(files(domain))) / "weights"
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{CONFIG}"))}


def ships(folder: Path) -> bool:
    """Whether weights in a folder came with the toolkit."""
    weights = folder.resolve().parent
    return weights.name == "weights" and weights.parents[1] == Path(__file__).resolve().parents[1]


def digest_of(place: Path) -> str:
    """SHA-256 of the tensors of a weights folder, or of a model file, in hexadecimal digits."""
    return hashlib.sha256((place if place.is_file() else place / MODEL).read_bytes()).hexdigest()


def find_weights(
    source: str, domain: str, given: str = "", suits: Callable[[dict[str, Any]], bool] = lambda config: True
) -> Path:
    """Find a weights folder by bundled name, path or Hub id ("owner/name", fetched once and cached).

    Args:
        source: the name, path or id.
        domain: whose bundled weights are meant.
        given: how messages repeat it; default: as given by --weights.
        suits: whether bundled weights of that `config.json` are proposed where there is nothing by the name.

    Raises:
        UserError: there is nothing by that name, or the Hub cannot be reached.
    """
    path, shipped, given = Path(source), bundled(domain), given or f"--weights {source}"
    if source in shipped:
        return shipped[source]
    if path.is_dir():
        if not (path / CONFIG).is_file() or not (path / MODEL).is_file():
            raise UserError(f"{given}: the folder has no {CONFIG} and {MODEL}; name a weights folder or a run")
        return path
    if path.exists():
        raise UserError(f"{given} is a file; name the folder that holds {CONFIG} and {MODEL}")
    if source.count("/") == 1 and not source.startswith((".", "/", "~")) and not path.parent.is_dir():
        return _fetch(source, given)
    raise UserError(f"{given}: no such folder, and {_proposed(domain, suits)}")


def read_config(folder: Path) -> dict[str, Any]:
    """Read `config.json` and check its format.

    Raises:
        UserError: it cannot be read, or is none of a weights folder.
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read ({error}); name another weights folder") from error
    if not isinstance(config, dict) or config.get("quartet") != FORMAT:
        raise UserError(f"{path} is not a config of format {FORMAT}; was it written by another program or version?")
    return config


def load_config(folder: Path, domain: str, *kinds: str) -> dict[str, Any]:
    """Read and check `config.json`: its format, and that it belongs to this domain and is of one of these kinds.

    Raises:
        UserError: it is not a weights folder that this command can use.
    """
    config = read_config(folder)
    if not WeightsName(domain, kinds).suits(config):
        raise UserError(f"{folder} {WeightsName(domain, kinds).mismatch(config)}")
    return config


@contextmanager
def reading_config(folder: Path) -> Iterator[None]:
    """Turn what goes wrong where `config.json` of a folder is made use of into one line about that file."""
    try:
        yield
    except NOT_AS_WRITTEN as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{folder / CONFIG} is not as this version writes it ({reason}); train anew") from error


def network_setting(source: str, domain: str, kind: str, name: str, known: Collection[Any]) -> Any:
    """A setting of the network that weights of this kind hold, as `config.json` tells it: one of the `known` values.

    Raises:
        UserError: there are no such weights, or they tell no such setting.
    """
    folder = find_weights(source, domain)
    network = load_config(folder, domain, kind).get("network")
    value = network.get(name) if isinstance(network, dict) else None
    if value not in tuple(known):
        raise UserError(f"{folder / CONFIG} is not as this version writes it ('{name}'); train anew")
    return value


def _proposed(domain: str, suits: Callable[[dict[str, Any]], bool]) -> str:
    names = [name for name, folder in bundled(domain).items() if suits(read_config(folder))]
    return f"bundled are {', '.join(names) or 'none'}"


def _fetch(source: str, given: str) -> Path:
    from huggingface_hub import snapshot_download  # slow to import, and needed here only
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(source, allow_patterns=[CONFIG, MODEL, CARD, "*.model"]))
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"{given}: not in the cache, and the Hub cannot be reached; go online once, or name a folder"
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{given}: the Hub answered: {reason}") from error
