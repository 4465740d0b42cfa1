"""The order in which epochs see their items: a function of seed, epoch and place, without a list of all."""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from common.config import NEWEST, Order
from common.randomness import mix

ROUNDS = 8
BLOCK = 1 << 16  # places that are computed together, as NumPy takes as long for one as for some hundred
Words = NDArray[np.uint32]


def batch_indices(n: int, seed: int, step: int, batch: int, order: Order = NEWEST) -> Tensor:
    """The items of global step `step`, int64 (batch,), a function of the arguments alone.

    Batches cross the borders of epochs: the steps laid end to end are the epochs' permutations laid end to end, so
    every item is seen once an epoch whether or not `batch` divides `n`, and `batch` may exceed `n`.
    """
    start, stop = step * batch, (step + 1) * batch
    part = _shuffled if order == "shuffled" else _keyed
    epochs = range(start // n, (stop - 1) // n + 1)
    return torch.cat([part(n, seed, e, max(start - e * n, 0), min(stop - e * n, n)) for e in epochs])


@lru_cache(maxsize=4)
def epoch_order(n: int, seed: int, epoch: int) -> Tensor:
    """A permutation of `n` items as a list, int64 (n,), on the CPU. Shared: do not write."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(mix(seed, epoch)))


def permuted(places: NDArray[np.int64], n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Which items stand at these places (N,) of an epoch, each in [0, n): a permutation that takes no memory.

    A Feistel network of as many bits as n needs is a permutation of at most 2 n numbers (Luby & Rackoff 1988); those
    from n on are sent on their way again until they come to one below (Black & Rogaway 2002: cycle walking).
    """
    bits = (n - 1).bit_length()
    keys = [np.uint32(mix(seed, epoch, number) & 0xFFFFFFFF) for number in range(ROUNDS)]
    items = _feistel(places, bits, keys)
    (astray,) = np.nonzero(items >= n)
    while len(astray):
        items[astray] = _feistel(items[astray], bits, keys)
        astray = astray[items[astray] >= n]
    return items


def _shuffled(n: int, seed: int, epoch: int, start: int, stop: int) -> Tensor:
    return epoch_order(n, seed, epoch)[start:stop]


def _keyed(n: int, seed: int, epoch: int, start: int, stop: int) -> Tensor:
    parts = [
        _block(n, seed, epoch, number)[max(start - number * BLOCK, 0) : stop - number * BLOCK]
        for number in range(start // BLOCK, (stop - 1) // BLOCK + 1)
    ]
    return torch.from_numpy(np.concatenate(parts))


@lru_cache(maxsize=8)
def _block(n: int, seed: int, epoch: int, number: int) -> NDArray[np.int64]:
    return permuted(np.arange(number * BLOCK, min((number + 1) * BLOCK, n)), n, seed, epoch)


def _feistel(places: NDArray[np.int64], bits: int, keys: list[np.uint32]) -> NDArray[np.int64]:
    """A permutation of the numbers of so many bits: each half is changed in turn by what is made of the other."""
    low = bits - bits // 2
    masks = np.uint32((1 << bits - low) - 1), np.uint32((1 << low) - 1)
    halves = [(places >> low).astype(np.uint32), places.astype(np.uint32) & masks[1]]
    for number, key in enumerate(keys):
        which = number % 2
        halves[which] ^= _scrambled(halves[1 - which], key) & masks[which]
    return (halves[0].astype(np.int64) << low) | halves[1]


def _scrambled(words: Words, key: np.uint32) -> Words:
    """A hash of 32-bit words (lowbias32 by Wellons 2018), from another beginning for every key."""
    mixed = words ^ key
    mixed ^= mixed >> np.uint32(16)
    mixed *= np.uint32(0x7FEB352D)
    mixed ^= mixed >> np.uint32(15)
    mixed *= np.uint32(0x846CA68B)
    mixed ^= mixed >> np.uint32(16)
    return mixed
