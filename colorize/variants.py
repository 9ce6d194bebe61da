"""Other colourings: what else a picture could be, decided thing by thing.

The picture falls into things, places whose features are alike. Where the network's
likelihoods of a thing leave a choice, each colouring takes another of the likely
colours and tells the network, half sure, so that what belongs together goes along.
"""

import numpy as np

from colorize import color

SURE = 0.5
_THINGS = 5
_CELL = 16
_LIKELY = 0.05  # what a group of colours must have of the likelihood, to be told
_ROUNDS = 12  # of k-means
_MIX = 0.4  # of another colour, the rest is what the network says by itself


def hints(logits: np.ndarray, features: np.ndarray, variants: int) -> list[np.ndarray]:
    """Return what to tell a network for each colouring but the first.

    Args:
        logits: (4 h, 4 w, bins) of the choice among `color.ab_bins`.
        features: (h, w, C) of the encoder.
        variants: how many colourings, the first included.

    Returns:
        `variants - 1` of (16 h, 16 w, 3) float32: ab in Lab units, and how sure.
    """
    height, width, size = features.shape
    likelihoods = np.exp(logits - logits.max(-1, keepdims=True))
    likelihoods /= likelihoods.sum(-1, keepdims=True)
    cells = likelihoods.reshape(height, 4, width, 4, -1).mean((1, 3))
    cells = cells.reshape(height * width, -1)
    points = features.reshape(-1, size).astype(np.float64)
    points = (points - points.mean(0)) / np.maximum(points.std(), 1e-6)
    things, _ = _clustered(points, np.ones(len(points)), _THINGS)
    bins = color.ab_bins().astype(np.float64)
    likely = np.zeros((variants - 1, height * width, 3), np.float32)
    for thing in np.unique(things):
        inside = np.flatnonzero(things == thing)
        options = _options(cells[inside], bins, variants)
        for number in range(variants - 1):
            if not options:
                continue
            ab, shares = options[number % len(options)]
            likely[number, inside, :2] = ab
            likely[number, inside, 2] = SURE * shares
    return [
        one.reshape(height, width, 3).repeat(_CELL, axis=0).repeat(_CELL, axis=1)
        for one in likely
    ]


def _options(
    cells: np.ndarray, bins: np.ndarray, count: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the likely colours of a thing beside its mean, the likeliest first.

    Args:
        cells: (N, bins) the likelihoods of its places.
        bins: (bins, 2) their ab.
        count: of groups that the likelihoods are seen as.

    Returns:
        The ab of each, and for each place from 0 to 1 how well it goes there.
    """
    mass = cells.mean(0)
    mean = mass @ bins
    groups, centres = _clustered(bins, mass, count)
    shares = np.stack([cells[:, groups == i].sum(1) for i in range(len(centres))])
    weights = shares.mean(1)
    usual = np.linalg.norm(centres - mean, axis=1).argmin()
    return [
        (
            mean + _MIX * (centres[i] - mean),
            np.clip(shares[i] / weights[i], 0, 1),
        )
        for i in np.argsort(-weights, kind="stable")
        if i != usual and weights[i] >= _LIKELY
    ]


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
