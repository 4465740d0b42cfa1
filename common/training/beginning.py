"""How a new run begins with trained weights, as far as their layers fit."""

from collections.abc import Mapping

from torch import Tensor

from common.cores.game import Game
from common.errors import UserError
from common.weights import load_fitting, load_tensors
from common.weights_folders import CRITIC, find_weights

SHOWN = 12  # names of new layers that are said


def has_critic(weights: str, domain: str) -> bool:
    """Whether the critic against which trained weights learned lies beside them."""
    return (find_weights(weights, domain) / CRITIC).exists()


def critic_beside(weights: str, domain: str) -> dict[str, Tensor] | None:
    """The tensors of that critic, if it is there."""
    return load_tensors(find_weights(weights, domain) / CRITIC) if has_critic(weights, domain) else None


def begin_with(game: Game, name: str, tensors: Mapping[str, Tensor], critic: Mapping[str, Tensor] | None = None) -> str:
    """Let the product of a game begin with what fits of a trained network, and say in one line how much that is.

    Args:
        name: of the trained weights.
        tensors: of the trained network.
        critic: those of the one against which it learned, with which the game's begins as far as they fit.

    Raises:
        UserError: nothing fits.
    """
    taken, new = load_fitting(game.players[game.product].network, tensors)
    new = [layer for layer in new if not layer.startswith("sampler")]  # which is fitted at the first look
    if not taken:
        raise UserError(f"--weights {name}: none of their layers fit; choose other weights or leave the flag out")
    said = f"took {taken} of {len(tensors)} tensors of {name}"
    if critic is not None and game.critic is not None:
        found, more = load_fitting(game.players[game.critic].network, critic)
        said = f"{said} and {found} of {len(critic)} of its critic"
        new += [layer for layer in more if not layer.startswith("aide.features")]  # which never learn
    if critic is None and game.critic_from:
        does = "joins after" if game.critic and game.players[game.critic].joins else "learns alone for"
        said = f"{said}; the critic is new and {does} {game.critic_from:,} examples"
    if not new:
        return said
    others = f" and {len(new) - SHOWN} layers more" if len(new) > SHOWN else ""
    return f"{said}; new: {', '.join(new[:SHOWN])}{others}"
