"""Which pictures are kept to validate on: told by their names alone."""

import hashlib
import unicodedata

import numpy as np


def hash_of(name: str) -> float:
    """Return a number in [0, 1) that a name has on every machine and file system."""
    normal = unicodedata.normalize("NFC", name).encode(errors="surrogateescape")
    digest = hashlib.blake2b(normal, digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def held_out(hashes: np.ndarray, share: float) -> np.ndarray:
    """Return which pictures validate: those with the lowest hashes.

    A picture's side depends on its own name alone, so it does not change when others
    come or go; but in a folder so small that nothing falls to validation, the one
    with the lowest hash is taken.
    """
    lowest: np.ndarray = hashes < share
    if not lowest.any():
        lowest[hashes.argmin()] = True
    return lowest
