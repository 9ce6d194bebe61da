"""Hints to learn from: what of a picture's true colours is told to the network.

As a person would tell a few points, as the frame before tells most of a film's next
one, and as a reference picture tells much, half right.
"""

import numpy as np

_STREAM = 7  # keeps these random numbers apart from those of crops and augmentation
_MEAN_POINTS = (8, 32)  # of a person who tells little, and of one who tells much
_MOST_POINTS = 100
_ERROR = 12.0  # Lab units: the error of a hint that is not sure at all
_CELL = 16  # pixels: of the places that a reference picture tells of
_BLUR = 8  # cells each way of the noise whose hills are regions


def reveal(ab: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return hints of one picture to learn from, of a kind drawn at random.

    Args:
        ab: (H, W, 2), the true colours in Lab units.
        generator: decides on everything.

    Returns:
        (H, W, 3) float32: ab and how sure it is, 0 where nothing is told.

    Reference:
        R. Zhang et al., "Real-time user-guided image colorization", 2017,
        arXiv:1705.02999, section 3.2: points few and about the centre, their sizes,
        and one picture in a hundred told whole. Many points, or anywhere, are ours.
    """
    kind = generator.random()
    if kind < 0.01:
        return np.concatenate([ab, np.ones_like(ab[..., :1])], axis=-1)
    if kind < 0.8:
        return _points(ab, generator)
    return (_region if kind < 0.9 else _cells)(ab, generator)


def batch(ab: np.ndarray, seeds: np.ndarray, *, share: float) -> np.ndarray:
    """Return hints of a batch, those of each picture decided by its seed alone.

    Args:
        ab: (B, H, W, 2) in Lab units.
        seeds: (B, 2) integers.
        share: of the pictures that anything is told of, in [0, 1].

    Returns:
        (B, H, W, 3) float32.
    """
    hints = np.zeros((*ab.shape[:3], 3), np.float32)
    for mine, true, seed in zip(hints, ab, seeds, strict=True):
        generator = np.random.default_rng([_STREAM, *map(int, seed)])
        if generator.random() < share:
            mine[:] = reveal(true, generator)
    return hints


def paint_patch(
    hints: np.ndarray,
    ab: np.ndarray,
    place: tuple[int, int],
    *,
    size: int,
    sure: float = 1.0,
    error: np.ndarray | float = 0.0,
) -> None:
    """Tell the mean ab of a square about a place, as far as it lies in the picture.

    Args:
        hints: (H, W, 3), changed.
        ab: (H, W, 2), the true colours.
        place: (row, column) of its centre.
        size: of its sides, in pixels.
        sure: in (0, 1].
        error: that is added to the true ab.
    """
    rows, columns = (
        slice(max(0, middle - size // 2), middle - size // 2 + size) for middle in place
    )
    hints[rows, columns, :2] = ab[rows, columns].mean(axis=(0, 1)) + error
    hints[rows, columns, 2] = sure


def _points(ab: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Geometric in number, about the centre or anywhere; all sure, or each somewhat."""
    hints = np.zeros((*ab.shape[:2], 3), np.float32)
    sides = np.array(ab.shape[:2])
    certain = generator.random() < 0.75
    central = generator.random() < 0.5
    count = min(generator.geometric(1 / generator.choice(_MEAN_POINTS)), _MOST_POINTS)
    for _ in range(count):
        if central:
            place = generator.normal(sides / 2, sides / 4)
        else:
            place = generator.uniform(0, sides)
        row, column = np.clip(place.astype(int), 0, sides - 1)
        size = int(generator.integers(1, 10))
        sure = 1.0 if certain else generator.uniform(0.3, 1)
        error = generator.normal(0, _ERROR * (1 - sure), 2)
        paint_patch(hints, ab, (row, column), size=size, sure=sure, error=error)
    return hints


def _region(ab: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Some hills of smooth noise, told pixel by pixel, all equally sure."""
    height, width = ab.shape[:2]
    noise = generator.random((_BLUR + 1, _BLUR + 1))
    hills = _bilinear(noise, height, width)
    region = hills > np.quantile(hills, generator.uniform(0.05, 0.9))
    sure = generator.uniform(0.3, 1)
    error = generator.normal(0, _ERROR * (1 - sure), 2)
    hints = np.concatenate([ab + error, np.full_like(ab[..., :1], sure)], axis=-1)
    return (hints * region[..., None]).astype(np.float32)


def _cells(ab: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return squares on a grid, each wrong in its own way, and half sure."""
    height, width = ab.shape[:2]
    hints = np.zeros((height, width, 3), np.float32)
    sure = generator.uniform(0.2, 0.7)
    chosen = generator.random((height // _CELL, width // _CELL)) < generator.random()
    for row, column in np.argwhere(chosen) * _CELL + _CELL // 2:
        error = generator.normal(0, _ERROR * (1 - sure), 2)
        paint_patch(hints, ab, (row, column), size=_CELL, sure=sure, error=error)
    return hints


def _bilinear(coarse: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a square of numbers enlarged to (height, width)."""
    rows, columns = (
        np.linspace(0, len(coarse) - 1, side, endpoint=False)
        for side in (height, width)
    )
    return _between(_between(coarse, rows).T, columns).T


def _between(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return rows of (N, M) interpolated at places in [0, N - 1): (len(at), M)."""
    below = at.astype(int)
    share = (at - below)[:, None]
    return (1 - share) * values[below] + share * values[below + 1]
