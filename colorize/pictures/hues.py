"""Whether a picture is in colour already."""

import numpy as np

from colorize import color

# Chosen so that of 300 colour photos 83 % count as such, and of 250 toned, stained and
# yellowed versions of them at most 2 % of each kind.
_BESIDE_TONE = 5.0  # Lab units: root mean square of ab beside the mean at its lightness
_STRONG = 8.0  # Lab units: a chroma that shows a hue
_OTHER_HUES = 0.02  # of the pixels: of a hue beyond the 60 degrees that most have


def is_in_colour(rgb: np.ndarray) -> bool:
    """Return whether a picture has more than one hue.

    Sepia, toned, stained and yellowed pictures have one, or colours that go with their
    lightness: what is left beside these must be strong enough, and of several hues.

    Args:
        rgb: (H, W, 3) uint8; some hundred pixels a side are enough.
    """
    lab = color.rgb_to_lab(rgb).reshape(-1, 3)
    ab = lab[:, 1:]
    tone = np.clip(lab[:, 0] / 7, 0, 14).astype(int)
    count = np.bincount(tone, minlength=15).clip(1)
    means = [np.bincount(tone, plane, 15) / count for plane in ab.T]
    if np.square(ab - np.stack(means, -1)[tone]).sum(-1).mean() < _BESIDE_TONE**2:
        return False
    chroma = np.hypot(*ab.T)
    strong = chroma > _STRONG
    hue = (np.degrees(np.arctan2(ab[:, 1], ab[:, 0])) % 360 // 10).astype(int)
    weights = np.bincount(hue[strong], chroma[strong], 36)
    around = max(np.roll(weights, -i)[:6].sum() for i in range(36))
    other = 1 - around / max(weights.sum(), np.finfo(float).tiny)
    return bool(strong.mean() * other >= _OTHER_HUES)
