"""Random flips, shears, zooms, rotations and ageing of a whole batch, in the graph.

What is drawn for a picture depends on its own seed alone, not on the batch it is in.
"""

import math

import tensorflow as tf

CHANCES = 13  # numbers drawn for each picture
_AROUND = ((0, 0), (2, 2), (2, 2), (0, 0))  # two pixels on each side of a picture


def chances(seeds: tf.Tensor) -> tf.Tensor:
    """Return numbers in [0, 1), drawn for each picture from its seed.

    Args:
        seeds: (B, 2) integers.

    Returns:
        (B, CHANCES) float32.
    """
    return tf.map_fn(
        lambda seed: tf.random.stateless_uniform((CHANCES,), seed),
        seeds,
        fn_output_signature=tf.float32,
    )


def random_affine(
    pictures: tf.Tensor,
    chances: tf.Tensor,
    *,
    shear: float,
    zoom: float,
    rotation: float,
    flip: bool,
) -> tf.Tensor:
    """Move each picture about its centre by a transform of its own.

    The ranges are those of Keras's ImageDataGenerator in 2017, which the tutorials
    used: each amount is uniform between minus and plus its range, height and width are
    zoomed apart. What comes in from outside is the picture mirrored at its border.

    Args:
        pictures: (B, H, W, 3) float32.
        chances: (B, 5) in [0, 1); equal ones give equal transforms.
        shear: in radians.
        zoom: as a share of 1.
        rotation: in degrees.
        flip: whether to mirror half of the pictures, left to right.

    Returns:
        (B, H, W, 3) float32.
    """
    if not (shear or zoom or rotation or flip):
        return pictures
    shape = tf.shape(pictures)
    height, width = shape[1], shape[2]
    u = tf.unstack(2 * chances - 1, 5, axis=1)
    angle = u[0] * (rotation * math.pi / 180)
    slant = u[1] * shear
    zoom_y, zoom_x = 1 + u[2] * zoom, 1 + u[3] * zoom
    mirror = tf.where((u[4] < 0) & flip, -1.0, 1.0)

    # Where each output pixel comes from, in (x, y) about the centre:
    # rotation · shear · zoom, with x mirrored first.
    cos, sin = tf.cos(angle), tf.sin(angle)
    xx = cos * zoom_x * mirror
    xy = (-cos * tf.sin(slant) - sin * tf.cos(slant)) * zoom_y
    yx = sin * zoom_x * mirror
    yy = (-sin * tf.sin(slant) + cos * tf.cos(slant)) * zoom_y
    centre_x = (tf.cast(width, tf.float32) - 1) / 2
    centre_y = (tf.cast(height, tf.float32) - 1) / 2
    shift_x = centre_x - xx * centre_x - xy * centre_y
    shift_y = centre_y - yx * centre_x - yy * centre_y
    zero = tf.zeros_like(xx)
    transforms = tf.stack([xx, xy, shift_x, yx, yy, shift_y, zero, zero], axis=1)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pictures,
        transforms=transforms,
        output_shape=shape[1:3],
        interpolation="BILINEAR",
        fill_mode="REFLECT",
        fill_value=0.0,
    )


def random_age(
    lightness: tf.Tensor, chances: tf.Tensor, seeds: tf.Tensor, *, share: float
) -> tf.Tensor:
    """Make some pictures look as old ones do: faded, of another tone, soft, grainy.

    Args:
        lightness: (B, H, W, 1), L in [0, 100].
        chances: (B, 6) in [0, 1); equal ones age equally.
        seeds: (B, 2) integers, of the grain.
        share: of the pictures, in [0, 1].

    Returns:
        (B, H, W, 1), L in [0, 100].
    """
    if not share:
        return lightness
    u = tf.unstack(chances[:, :, None, None, None], 6, axis=1)
    x = tf.pow(lightness / 100, tf.exp(0.8 * u[0] - 0.4))  # darker or lighter tones
    darkest, lightest = 0.2 * u[1], 1 - 0.2 * u[2]
    x = darkest + (lightest - darkest) * x
    line = tf.constant([1, 4, 6, 4, 1], tf.float32) / 16
    kernel = (line[:, None] * line)[..., None, None]
    soft = tf.nn.conv2d(tf.pad(x, _AROUND, "REFLECT"), kernel, 1, "VALID")
    x += u[3] * (soft - x)
    grain = tf.map_fn(
        lambda seed: tf.random.stateless_normal(tf.shape(x)[1:], seed),
        -1 - seeds,  # not those of the chances
        fn_output_signature=tf.float32,
    )
    old = 100 * tf.clip_by_value(x + 0.05 * u[4] * grain, 0.0, 1.0)
    return tf.where(u[5] < share, old, lightness)
