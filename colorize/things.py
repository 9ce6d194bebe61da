"""The things that told colours belong to.

"Her dress was blue" names one place and means the whole dress, and nothing else. A
network that was told so moves other things, too, for what it learnt to be told was
true, and says much about the light. So a point's colour is spread over its thing alone:
from each point the way to every other place is measured, which is long over edges and
through what the encoder sees as another kind of thing; what is near belongs to the
thing, and what is far does not. Between them decides a random walk along edges, and
whether a place looks like what is near or like what is far.

References:
    L. Yatziv and G. Sapiro, "Fast image and video colorization using chrominance
    blending", 2006: colours by such ways.
    L. Grady, "Random walks for image segmentation", 2006.
"""

import warnings
from collections.abc import Sequence

import numpy as np
from PIL import Image

from colorize import color
from colorize.hints import Hints, Point
from colorize.outputs import FEATURES_CELL as _CELL

MOST = 24  # colours that are told apart; more are for the network
_ALIKE = 3.0  # Lab units of ab: within, two points say the same
# The way over a pixel: 1, and so much for an edge of one unit of L, and for what is
# less alike than _SAME, by the cosine of its features.
_EDGE, _OTHER, _SAME = 0.7, 3.0, 0.8
_NEAR, _FAR = 0.35, 2.0  # short sides of such a way
_SHARE = 0.6  # of the way from the next colour's point: beyond, it is open whose it is
_COLOURS, _KINDS = 1 / 120, 0.2  # weights beside L / 100, for the walk
_BETA = 1200.0  # how much an edge stops the walk
_LOOKS = 12  # principal planes of features, of what a place looks like
_HEED = 2.0  # how much that counts
_RIDGE = 0.01  # keeps the fit from heeding what hardly varies
_SAMPLES = 2000  # places, about, that each side of the fit is made of
_SHARPER = 0.1  # a share of a thing below counts as none, and above its rest as whole


def colored(
    lightness: np.ndarray,
    ab: np.ndarray,
    features: np.ndarray,
    points: Sequence[Point],
) -> np.ndarray:
    """Return the ab of a picture with told colours on their things.

    Args:
        lightness: (h, w) L in [0, 100], of the network's size.
        ab: (h, w, 2) in Lab units, without these points.
        features: (about h / 16, about w / 16, channels), of the encoder.
        points: at least one, of at most `MOST` colours.
    """
    groups = grouped(points)
    shares = _shares(lightness, ab, features, groups)
    result = ab.astype(np.float32)
    for share, group in zip(shares, groups, strict=True):
        part = share > 0
        hinted = np.broadcast_to(_ab_of(group[-1:]), (int(part.sum()), 2))
        lab = np.concatenate([lightness[part][:, None], hinted], axis=-1)
        weight = share[part][:, None] * np.float32(group[-1].sure)
        result[part] += weight * (color.into_gamut(lab)[:, 1:] - ab[part])
    return result


def prepare() -> None:
    """Import what `colored` needs, which takes a second or two."""
    from skimage import filters, graph, segmentation  # noqa: F401


def grouped(points: Sequence[Point]) -> list[list[Point]]:
    """Return points in groups that say the same colour, equally sure.

    Of more than `MOST` groups those up to the first too many.
    """
    firsts = np.empty((0, 3))  # ab and how sure, of the first of each group
    groups: list[list[Point]] = []
    for point, ab in zip(points, _ab_of(points), strict=True):
        apart = np.hypot(*(firsts[:, :2] - ab).T) + 1000 * (firsts[:, 2] != point.sure)
        nearest = int(apart.argmin()) if groups else -1
        if groups and apart[nearest] < _ALIKE:
            groups[nearest].append(point)
            continue
        groups.append([point])
        firsts = np.concatenate([firsts, [[*ab, point.sure]]])
        if len(groups) > MOST:
            break
    return groups


def _ab_of(points: Sequence[Point]) -> np.ndarray:
    """Return ab in Lab units of each point's colour: (points, 2)."""
    rgb = np.array([point.rgb for point in points], np.uint8).reshape(-1, 1, 3)
    ab: np.ndarray = color.rgb_to_lab(rgb)[:, 0, 1:]
    return ab


def _shares(
    lightness: np.ndarray,
    ab: np.ndarray,
    features: np.ndarray,
    groups: Sequence[Sequence[Point]],
) -> np.ndarray:
    """Return how much each place belongs to each group's thing: (groups, h, w)."""
    from skimage import filters, segmentation

    blurred = filters.gaussian(lightness, 1.0, preserve_range=True)
    kinds = features - features.mean(axis=(0, 1))
    kinds /= np.linalg.norm(kinds, axis=-1, keepdims=True).clip(1e-6)
    ways = np.stack([_ways(blurred, kinds, group) for group in groups])
    nearest, way = ways.argmin(axis=0), ways.min(axis=0)
    sure = way < _NEAR
    if len(groups) > 1:
        sure &= way < _SHARE * np.partition(ways, 1, axis=0)[1]
    labels = np.zeros(lightness.shape, np.int32)
    labels[sure] = nearest[sure] + 1
    rest = len(groups) + 1
    labels[way > _FAR] = rest
    for number, group in enumerate(groups, start=1):
        labels[Hints(tuple(group)).array(*lightness.shape)[..., 2] > 0] = number
    present = np.unique(labels[labels > 0])
    shares = np.zeros((rest, *lightness.shape), np.float32)
    if len(present) == 1:
        shares[present - 1] = 1
    elif labels.all():
        for number in present:
            shares[number - 1] = labels == number
    else:
        looks = [blurred / 100, *(_COLOURS * ab[..., i] for i in (0, 1))]
        looks += [_KINDS * _enlarged(plane, lightness) for plane in _principal(kinds)]
        with warnings.catch_warnings():  # of how it solves, and of places cut off
            warnings.simplefilter("ignore")
            shares[present - 1] = segmentation.random_walker(
                np.stack(looks, axis=-1),
                labels,
                beta=_BETA,
                mode="cg_j",
                tol=1e-2,
                return_full_prob=True,
                channel_axis=-1,
            )
        alike = _alike(blurred, ab, kinds, labels, present)
        weighed = np.where(labels > 0, 1, alike) * shares[present - 1]
        shares[present - 1] = weighed / weighed.sum(axis=0).clip(1e-9)
    share = ((shares[:-1] - _SHARPER) / (1 - 2 * _SHARPER)).clip(0, 1)
    smooth: np.ndarray = share * share * (3 - 2 * share)
    return smooth


def _alike(
    blurred: np.ndarray,
    ab: np.ndarray,
    kinds: np.ndarray,
    labels: np.ndarray,
    present: np.ndarray,
) -> np.ndarray:
    """Return how much each place looks like those of each label: (labels, h, w).

    A linear fit tells the labelled places apart by their light, their colour without
    hints and what the encoder sees, each label counting the same.
    """
    from skimage import filters

    wide = filters.gaussian(blurred, 4.0, preserve_range=True)
    planes = [blurred, wide, ab[..., 0], ab[..., 1]]
    direct = len(planes)
    planes += [_enlarged(plane, blurred) for plane in _principal(kinds, _LOOKS)]
    looks = np.stack([plane.ravel() for plane in planes], axis=-1).astype(np.float64)
    looks = (looks - looks.mean(axis=0)) / looks.std(axis=0).clip(1e-6)
    squares = np.square(looks[:, :direct]) - 1
    looks = np.concatenate([looks, squares, np.ones((len(looks), 1))], axis=1)
    products = _RIDGE * np.eye(looks.shape[1])
    answers = np.zeros((looks.shape[1], len(present)))
    for i, label in enumerate(present):
        members = np.flatnonzero(labels == label)
        some = looks[members[:: max(1, len(members) // _SAMPLES)]]
        products += some.T @ some / len(some)
        answers[:, i] = some.mean(axis=0)
    likely = np.exp(_HEED * looks @ np.linalg.solve(products, answers))
    likely /= likely.sum(axis=1, keepdims=True)
    return likely.T.reshape(len(present), *blurred.shape)


def _ways(blurred: np.ndarray, kinds: np.ndarray, group: Sequence[Point]) -> np.ndarray:
    """Return how far each place is from the nearest point of a group: (h, w)."""
    from skimage import filters, graph

    height, width = blurred.shape
    rows, columns, _ = kinds.shape
    likeness = np.full((rows, columns), -1.0, np.float32)
    starts = {
        (min(int(point.y * height), height - 1), min(int(point.x * width), width - 1))
        for point in group
    }
    cells = {
        (min(y // _CELL, rows - 1), min(x // _CELL, columns - 1)) for y, x in starts
    }
    for cell in sorted(cells):
        likeness = np.maximum(likeness, kinds @ kinds[cell])
    unlike = (_SAME - _enlarged(likeness, blurred)).clip(0)
    cost = 1 + _EDGE * filters.sobel(blurred) + _OTHER * unlike
    way = graph.MCP_Geometric(cost)
    ways: np.ndarray = way.find_costs(sorted(starts))[0] / min(height, width)
    return ways


def _principal(kinds: np.ndarray, number: int = 3) -> list[np.ndarray]:
    """Return the planes that say most of what kinds of things there are."""
    flat = kinds.reshape(-1, kinds.shape[-1]).astype(np.float64)
    flat = flat - flat.mean(axis=0)
    _, directions = np.linalg.eigh(flat.T @ flat)
    planes = flat @ directions[:, -number:]
    planes /= max(planes.std(), 1e-6)
    return [plane.reshape(kinds.shape[:2]) for plane in planes.T]


def _enlarged(plane: np.ndarray, like: np.ndarray) -> np.ndarray:
    image = Image.fromarray(plane.astype(np.float32))
    return np.asarray(image.resize(like.shape[::-1], Image.Resampling.BICUBIC))
