"""Colours that are likely at a place of a picture, for someone to choose from."""

import numpy as np

from colorize import color

_NEAR = 12.0  # Lab units within which colours count as one
_APART = 25.0  # that the next one is away from those before
_LEAST = 0.01  # of the likelihood: less is no choice
_AROUND = 1  # cells to each side that are asked, too


def suggestions(
    logits: np.ndarray, place: tuple[float, float], lightness: float, most: int
) -> np.ndarray:
    """Return likely colours, the likeliest first, at the lightness of the place.

    Args:
        logits: (h, w, bins) of the choice among `color.ab_bins`.
        place: row and column, in cells of these.
        lightness: L in [0, 100].
        most: how many there may be.

    Returns:
        (n, 3) uint8 sRGB, n from 1 to `most`.
    """
    row, column = (
        min(max(int(at), 0), size - 1)
        for at, size in zip(place, logits.shape, strict=False)
    )
    around = logits[
        max(0, row - _AROUND) : row + _AROUND + 1,
        max(0, column - _AROUND) : column + _AROUND + 1,
    ].reshape(-1, logits.shape[-1])
    shares = np.exp(around - around.max(-1, keepdims=True))
    likelihood = (shares / shares.sum(-1, keepdims=True)).mean(0)
    bins = color.ab_bins()
    distance = np.linalg.norm(bins[:, None] - bins, axis=-1)
    weights = np.where(distance <= _NEAR, likelihood, 0)  # (bins, bins)
    mass = weights.sum(1)
    chosen: list[int] = []
    for i in np.argsort(-mass, kind="stable"):
        enough = not chosen or mass[i] >= _LEAST
        if enough and (distance[i, chosen] >= _APART).all():
            chosen.append(int(i))
    chosen = chosen[:most]
    ab = (weights[chosen] @ bins) / mass[chosen][:, None]
    level = np.full((1, len(chosen)), lightness, np.float32)
    return color.join(level, ab[None].astype(np.float32))[0]
