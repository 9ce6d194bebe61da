"""Other colourings: what else a picture could be, decided thing by thing.

The picture falls into things, places whose features are alike. The likely colours of
each fall into groups. Each colouring prefers another of the groups that the usual one
passes over, and at every place the network's own likelihoods say how far that goes:
what it is sure of stays.
"""

import numpy as np
from PIL import Image

from colorize import color
from colorize.outputs import FEATURES_CELL, LOGITS_CELL

_THINGS = 2
_PREFERRED = 12.0  # times as likely
_FARTHEST = 9.0  # Lab units that a place may move: beyond, pictures look wrong
_ROUNDS = 12  # of k-means


def shifts(
    logits: np.ndarray, features: np.ndarray, variants: int, size: tuple[int, int]
) -> list[np.ndarray]:
    """Return what to add to the ab of a picture for each colouring but the first.

    Args:
        logits: (4 h, 4 w, bins) of the choice among `color.ab_bins`.
        features: (h, w, C) of the encoder.
        variants: how many colourings, the first included.
        size: (height, width) of what the network saw, at most (16 h, 16 w).

    Returns:
        `variants - 1` of (height, width, 2) float32, Lab units of ab.
    """
    height, width, channels = features.shape
    likelihoods = np.exp(logits - logits.max(-1, keepdims=True), dtype=np.float32)
    likelihoods /= likelihoods.sum(-1, keepdims=True)
    points = features.reshape(-1, channels).astype(np.float64)
    points = (points - points.mean(0)) / np.maximum(points.std(), 1e-6)
    things, _ = _clustered(points, np.ones(len(points)), _THINGS)
    bins = color.ab_bins().astype(np.float64)
    moved = np.zeros((variants - 1, *logits.shape[:2], 2), np.float32)
    for thing in np.unique(things):
        # One thing goes over into the next, as a feature is of sixteen pixels.
        whose = (things == thing).reshape(height, width).astype(np.float32)
        share = _enlarged(whose[..., None], FEATURES_CELL // LOGITS_CELL)
        mass = (share * likelihoods).mean((0, 1), dtype=np.float64)
        groups, options = _options(mass / mass.sum(), bins, variants)
        for number in range(variants - 1):
            preferred = groups == options[number % len(options)]
            moved[number] += share * _moved(likelihoods, bins, preferred)
    return [_enlarged(one, LOGITS_CELL)[: size[0], : size[1]] for one in moved]


def _options(
    mass: np.ndarray, bins: np.ndarray, count: int
) -> tuple[np.ndarray, list[int]]:
    """Return groups of likely colours, and which to prefer, the likeliest first.

    Args:
        mass: (bins,) the likelihoods of a thing.
        bins: (bins, 2) their ab.
        count: of groups.

    Returns:
        The group of each bin; and groups but the one about the mean, the usual one.
    """
    groups, centres = _clustered(bins, mass, count)
    weights = np.bincount(groups, mass, len(centres))
    usual = np.linalg.norm(centres - mass @ bins, axis=1).argmin()
    order = np.argsort(-weights, kind="stable")
    return groups, [int(i) for i in order if i != usual]


def _moved(
    likelihoods: np.ndarray, bins: np.ndarray, preferred: np.ndarray
) -> np.ndarray:
    """Return how far the mean of likelihoods (..., bins) moves to some: (..., 2)."""
    other = likelihoods * np.where(preferred, _PREFERRED, 1).astype(np.float32)
    other /= other.sum(-1, keepdims=True)
    ab = (other - likelihoods) @ bins
    far = np.linalg.norm(ab, axis=-1, keepdims=True)
    moved: np.ndarray = ab * np.minimum(1, _FARTHEST / np.maximum(far, 1e-6))
    return moved


def _enlarged(planes: np.ndarray, times: int) -> np.ndarray:
    """Return (h, w, n) enlarged."""
    height, width, count = planes.shape
    size = (width * times, height * times)
    images = [
        Image.fromarray(np.ascontiguousarray(planes[..., i], np.float32))
        for i in range(count)
    ]
    larger = [image.resize(size, Image.Resampling.BILINEAR) for image in images]
    return np.stack(list(map(np.asarray, larger)), axis=-1)


def _clustered(
    points: np.ndarray, weights: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Group weighted points by k-means that begins far apart; the same every time.

    Returns:
        The group of each point, and the centre of each group.
    """
    centres = [weights @ points / weights.sum()]
    squared = ((points - centres[0]) ** 2).sum(1)
    while len(centres) < min(count, len(points)):
        centres.append(points[(weights * squared).argmax()])
        squared = np.minimum(squared, ((points - centres[-1]) ** 2).sum(1))
    placed = np.array(centres)
    for _ in range(_ROUNDS):
        groups = ((placed**2).sum(1) - 2 * points @ placed.T).argmin(1)
        for i in range(len(placed)):
            inside = groups == i
            if (total := weights[inside].sum()) > 0:
                placed[i] = weights[inside] @ points[inside] / total
    return groups, placed
