"""Networks that Keras opens: run folders, `.keras` files, and the one that is shipped.

Imports TensorFlow, which takes seconds.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from colorize import quiet

quiet.import_tensorflow()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from colorize.config import SHORT_SIDE  # noqa: E402
from colorize.errors import ColorizeError, first_line, shown  # noqa: E402
from colorize.models import saved, surgery  # noqa: E402
from colorize.runtimes import (  # noqa: E402
    HINT_CHANNELS,
    OTHER_OUTPUTS,
    check_outputs,
    fed,
)
from colorize.runtimes import precision as precisions  # noqa: E402


def open_network(source: Path, precision: str = "auto") -> "KerasNetwork":
    """Open a model as `runtimes.open_network` does."""
    policy, _ = precisions.choose(precision)
    size = saved.network_size(source)
    return KerasNetwork(saved.open_model(source), policy=policy, size=size)


class KerasNetwork:
    """A Keras model, as `runtimes.Network` has it.

    Args:
        model: from L (B, H, W, 1) in [0, 100], and perhaps hints (B, H, W, 3), to ab
            (B, H, W, 2) in Lab units.
        policy: what it computes in; the model itself is left as it is.
        size: short side shown to it where no other is asked for, in pixels.

    Raises:
        ColorizeError: the model does something else.
    """

    runtime = "keras"
    fixed: tuple[int, int] | None = None

    def __init__(
        self, model: keras.Model, *, policy: str = "float32", size: int = SHORT_SIDE
    ) -> None:
        self.size = size
        self.precision = policy
        self.stride = saved.stride_of(model)
        self.takes_hints = surgery.takes_hints(model)
        fast = surgery.in_policy(model, policy)
        self._all = surgery.outputs(fast) if surgery.is_gamma(fast) else {}
        self.also = tuple(name for name in OTHER_OUTPUTS if name in self._all)
        self._fast = fast
        self._several: Callable[..., dict[str, Any]] | None = None
        self._alone = threading.Lock()
        channels = [1, HINT_CHANNELS] if self.takes_hints else [1]

        def run(*inputs: tf.Tensor) -> tf.Tensor:
            return fast(list(inputs) if len(inputs) > 1 else inputs[0], training=False)

        try:
            # One trace for all sizes, made here: threads that share it may run at once.
            self._run = tf.function(
                run, autograph=False, jit_compile=False
            ).get_concrete_function(
                *(tf.TensorSpec((None, None, None, c), tf.float32) for c in channels)
            )
        except Exception:
            # Stock layers may need to know the size: UpSampling2D, where it is smooth.
            self._run = run
            try:
                run(*(tf.zeros((1, self.stride, self.stride, c)) for c in channels))
            except Exception as e:  # layers raise all kinds of errors
                raise ColorizeError(
                    f"model {shown(model.name)} cannot be run: {first_line(e)}"
                ) from e

    def __call__(
        self, lightness: np.ndarray, hints: np.ndarray | None = None
    ) -> np.ndarray:
        """Do what `runtimes.Network` promises."""
        inputs = fed(self.takes_hints, lightness, hints)
        try:
            return self._run(*map(tf.constant, inputs)).numpy()
        except tf.errors.ResourceExhaustedError as e:
            raise MemoryError(first_line(e)) from e

    def outputs(
        self,
        names: Sequence[str],
        lightness: np.ndarray,
        hints: np.ndarray | None = None,
    ) -> list[np.ndarray]:
        """Do what `runtimes.Network` promises."""
        check_outputs(names, self.also)
        inputs = fed(self.takes_hints, lightness, hints)
        with self._alone:
            if self._several is None:  # traced when first asked for
                several = keras.Model(
                    self._fast.inputs, {n: self._all[n] for n in ("ab", *self.also)}
                )
                self._several = tf.function(
                    lambda *x: several(list(x) if len(x) > 1 else x[0], training=False),
                    autograph=False,
                    reduce_retracing=True,
                )
        try:
            answers = self._several(*map(tf.constant, inputs))
            return [answers[name].numpy() for name in names]
        except tf.errors.ResourceExhaustedError as e:
            raise MemoryError(first_line(e)) from e
