"""Random flips, shears, zooms and rotations of a whole batch at once, in the graph."""

import math

import tensorflow as tf


def random_affine(
    pictures: tf.Tensor,
    seed: tf.Tensor,
    *,
    shear: float,
    zoom: float,
    rotation: float,
    flip: bool,
) -> tf.Tensor:
    """Moves each picture about its centre by a transform of its own.

    The ranges are those of Keras's ImageDataGenerator in 2017, which the tutorials
    used: each amount is uniform between minus and plus its range, height and width are
    zoomed apart. What comes in from outside is the picture mirrored at its border.

    Args:
        pictures: (B, H, W, 3) float32.
        seed: (2,) integers; equal seeds give equal transforms.
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
    batch, height, width = shape[0], shape[1], shape[2]
    u = tf.random.stateless_uniform((5, batch), seed, -1.0, 1.0)
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
