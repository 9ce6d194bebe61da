"""The core that every verb shares: a model and a picture in, a coloured picture out.

It knows arrays only, no files.
"""

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from colorize import checkpoint, color, trust, upsampling
from colorize.config import SHORT_SIDE
from colorize.errors import ColorizeError

_LONGEST = 8  # times `size`: beyond, a panorama is shown to the network smaller


class Colorizer:
    """A model, ready to colour pictures of any size.

    Args:
        model: from L (B, H, W, 1) in [0, 100] to ab (B, H, W, 2) in Lab units.

    Raises:
        ColorizeError: the model does something else.
    """

    def __init__(self, model: keras.Model) -> None:
        self.stride = checkpoint.stride_of(model)

        def run(lightness: tf.Tensor) -> tf.Tensor:
            return model(lightness, training=False)

        try:
            # One trace for all sizes, made here: threads that share it may run at once.
            self._run = tf.function(
                run, autograph=False, jit_compile=False
            ).get_concrete_function(tf.TensorSpec((None, None, None, 1), tf.float32))
        except Exception:
            # Stock layers may need to know the size: UpSampling2D, where it is smooth.
            self._run = run
            try:
                run(tf.zeros((1, self.stride, self.stride, 1)))
            except Exception as e:  # layers raise all kinds of errors
                raise ColorizeError(
                    f"model {trust.shown(model.name)} cannot be run: "
                    f"{trust.first_line(e)}"
                ) from e

    def predict_ab(self, lightness: np.ndarray) -> np.ndarray:
        """Runs the network; sizes the stride does not divide are padded, then cropped.

        Args:
            lightness: (B, H, W) in [0, 100].

        Returns:
            (B, H, W, 2) float32 in Lab units.
        """
        _, height, width = lightness.shape
        padding = ((0, 0), (0, -height % self.stride), (0, -width % self.stride))
        padded = np.pad(lightness, padding, mode="reflect")
        return self._run(tf.constant(padded[..., None])).numpy()[:, :height, :width]

    def small_ab(self, rgb: np.ndarray, *, size: int = SHORT_SIDE) -> np.ndarray:
        """Predicts the colour of a picture that was scaled, aspect kept, to `size`.

        Args:
            rgb: (H, W, 3) uint8.
            size: short side shown to the network, in pixels.

        Returns:
            (h, w, 2) float32 in Lab units, for the whole picture.
        """
        height, width = rgb.shape[:2]
        scale = min(size / min(height, width), _LONGEST * size / max(height, width))
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = Image.fromarray(rgb)
        if small != picture.size:
            picture = picture.resize(small, Image.Resampling.LANCZOS, reducing_gap=3.0)
        return self.predict_ab(color.lightness(np.asarray(picture))[None])[0]

    def colorize(
        self, rgb: np.ndarray, *, size: int = SHORT_SIDE, saturation: float = 1.0
    ) -> np.ndarray:
        """Colours a picture; its lightness stays, only ab is predicted and enlarged.

        Args:
            rgb: (H, W, 3) uint8, grey or coloured: only its lightness is used.
            size: short side shown to the network, in pixels.
            saturation: what ab is multiplied by; 0 gives grey.

        Returns:
            (H, W, 3) uint8.
        """
        return paint(rgb, saturation * self.small_ab(rgb, size=size))


def paint(rgb: np.ndarray, ab: np.ndarray) -> np.ndarray:
    """Joins the lightness of a picture with ab of any smaller size.

    Args:
        rgb: (H, W, 3) uint8.
        ab: (h, w, 2) in Lab units.

    Returns:
        (H, W, 3) uint8.
    """
    painted = np.empty_like(rgb)
    for rows, strip in upsampling.strips(ab, rgb.shape[:2]):
        painted[rows] = color.join(color.lightness(rgb[rows]), strip)
    return painted
