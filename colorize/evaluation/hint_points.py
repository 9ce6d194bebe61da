"""Random points of a picture's true colours, given to a network as hints."""

from dataclasses import dataclass

import numpy as np

from colorize import color

PATCH = 7  # pixels a side: what a point shows, and what it paints


@dataclass(frozen=True)
class HintPoints:
    """Points of one picture, and the colours asked for there.

    Attributes:
        places: (N, 2) row and column of each, in pixels of the picture.
        ab: (N, 2) the mean colour of the patch about each, in Lab units.
        size: (height, width) of the picture.
    """

    places: np.ndarray
    ab: np.ndarray
    size: tuple[int, int]

    def painted(self, height: int, width: int) -> np.ndarray:
        """Paint the hints as a network takes them; where patches meet, the later wins.

        Args:
            height: of what the network sees, in pixels; a patch is scaled along.
            width: the same.

        Returns:
            (height, width, 3) float32: ab in Lab units, and 1 where it is a hint.
        """
        hints = np.zeros((height, width, 3), np.float32)
        scale = np.array([height, width]) / self.size
        first = np.floor((self.places - PATCH // 2) * scale).astype(int)
        past = np.ceil((self.places + PATCH // 2 + 1) * scale).astype(int)
        for (top, left), (bottom, right), ab in zip(first, past, self.ab, strict=True):
            hints[top:bottom, left:right] = (*ab, 1)
        return hints

    def asked(self, lab: np.ndarray) -> np.ndarray:
        """Return the colours that a coloured picture can show at the points.

        Args:
            lab: (H, W, 3) of the picture; of it only the lightness counts.

        Returns:
            (N, 2) the ab painted at each point, in gamut at the lightness there.
        """
        rows, columns = self.places.T
        ab = self.painted(*self.size)[rows, columns, :2]
        lightness = lab[rows, columns, :1]
        within: np.ndarray = color.into_gamut(np.concatenate([lightness, ab], axis=-1))
        return within[:, 1:]

    def distances(self, true_lab: np.ndarray, ab: np.ndarray) -> np.ndarray:
        """Return how far a coloured picture is from what was asked, at each point.

        Args:
            true_lab: (H, W, 3) of the true picture.
            ab: (H, W, 2) of the coloured one.

        Returns:
            (N,) in Lab units.
        """
        rows, columns = self.places.T
        return np.linalg.norm(ab[rows, columns] - self.asked(true_lab), axis=-1)


def reveal(true_lab: np.ndarray, count: int, seed: int) -> HintPoints:
    """Choose random points of a picture and read their colours.

    Fewer points of the same picture are the first of more.

    Args:
        true_lab: (H, W, 3), of `PATCH` pixels a side or more.
        count: how many points.
        seed: of the choice.
    """
    height, width, _ = true_lab.shape
    fractions = np.random.default_rng(seed).random((count, 2))
    corners = (fractions * (height - PATCH + 1, width - PATCH + 1)).astype(int)
    means = [
        true_lab[top : top + PATCH, left : left + PATCH, 1:].mean((0, 1))
        for top, left in corners
    ]
    ab = np.array(means, np.float32).reshape(count, 2)
    return HintPoints(corners + PATCH // 2, ab, (height, width))
