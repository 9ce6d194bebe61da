"""Which devices train, and how they share the work: by TensorFlow's own strategies.

Every strategy does the same: each replica (a GPU, or one CPU) learns from its part of
the global batch, gradients are summed over all, and all take the same step.
"""

import hashlib
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from colorize.errors import ColorizeError, UsageError
from colorize.training.cluster import Cluster

# What TensorFlow raises where another worker is gone.
LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.FailedPreconditionError,
    tf.errors.DeadlineExceededError,
    tf.errors.CancelledError,
    tf.errors.InternalError,
)


@dataclass(frozen=True)
class Devices:
    """The devices of one training.

    Attributes:
        strategy: what shares the work among them.
        cluster: the workers, where there are several.
        description: for the user: how many of what.
    """

    strategy: tf.distribute.Strategy
    cluster: Cluster | None
    description: str

    @property
    def chief(self) -> bool:
        """Whether this is the worker that writes and talks."""
        return self.cluster is None or self.cluster.index == 0

    @property
    def replicas(self) -> int:
        """Into how many parts each batch is cut."""
        return int(self.strategy.num_replicas_in_sync)

    def check_batch_size(self, batch_size: int) -> None:
        """Raise UsageError where a batch cannot be cut into equal parts."""
        part, rest = divmod(batch_size, self.replicas)
        if rest:
            raise UsageError(
                f"--batch-size {batch_size} cannot be shared by {self.replicas} "
                f"devices; try {max(1, part) * self.replicas}"
            )

    def batches(self, make: Callable[[range, int], tf.data.Dataset]) -> Iterable[Any]:
        """Return a data set whose batches are those of each replica, in one.

        Args:
            make: gives the batches of some replicas, in turn; it is told the numbers
                of these and how many replicas there are in all.
        """

        def of_this_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
            total = context.num_replicas_in_sync
            local = total // context.num_input_pipelines
            first = context.input_pipeline_id * local
            return make(range(first, first + local), total)

        batches: Iterable[Any] = self.strategy.distribute_datasets_from_function(
            of_this_worker
        )
        return batches

    def sum(self, values: Any) -> tf.Tensor:
        """Return the sum over all replicas of all workers."""
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None)

    def wait_for_all(self) -> None:
        """Return when all workers have come here."""
        self._sum_over_workers(0)

    def check_same(self, what: str, mine: str) -> None:
        """Compare something that must be the same for all workers.

        Raises:
            ColorizeError: it is not.
        """
        digest = hashlib.blake2b(mine.encode(), digest_size=4).digest()
        number = int.from_bytes(digest, "big")
        workers = len(self.cluster.workers) if self.cluster else 1
        if workers > 1 and self._sum_over_workers(number) != workers * number:
            raise ColorizeError(
                f"the workers have not all the same {what}; they need the same "
                "arguments, the same kind of machine, and folders that all see"
            )

    def _sum_over_workers(self, number: int) -> int:
        if self.cluster is None:
            return number
        local = self.replicas // len(self.cluster.workers)

        def say() -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            first = context.replica_id_in_sync_group % local == 0
            return tf.where(first, tf.constant(number, tf.int64), 0)

        return int(self.sum(self.strategy.run(tf.function(say, autograph=False))))


def choose(asked: str, cluster: Cluster | None) -> Devices:
    """Set up the devices to train on; before TensorFlow has computed anything.

    Args:
        asked: `auto` (every GPU, or the CPU), `cpu`, or how many: of GPUs, or where
            there are none, of logical CPUs, to try out how work is shared.
        cluster: the workers, of which this process is one.

    Raises:
        UsageError: there are not so many devices.
        ColorizeError: TensorFlow is set up already.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if asked == "cpu":
        tf.config.set_visible_devices([], "GPU")
        gpus = []
    count = len(gpus) or 1 if asked in ("auto", "cpu") else int(asked)
    if gpus and count > len(gpus):
        raise UsageError(f"--devices {count}: there are {len(gpus)} GPUs here")
    kind = "GPU" if gpus else "CPU"
    if gpus:
        tf.config.set_visible_devices(gpus[:count], "GPU")
        for gpu in gpus[:count]:  # take memory as it is needed, not all of it
            tf.config.experimental.set_memory_growth(gpu, True)
    elif count > 1 and cluster is not None:
        raise UsageError(f"--devices {count}: a worker without a GPU is one device")
    elif count > 1:
        _split_cpu(count)
    what = (
        f"{count} {'' if gpus else 'logical '}{kind}s" if count > 1 else f"one {kind}"
    )
    if cluster is not None:
        strategy = _connect(cluster)
        workers = len(cluster.workers)
        return Devices(strategy, cluster, f"{workers} workers of {what} each")
    if count > 1:
        names = [f"{kind}:{i}" for i in range(count)]
        return Devices(tf.distribute.MirroredStrategy(names), None, what)
    return Devices(tf.distribute.get_strategy(), None, what)


def _split_cpu(count: int) -> None:
    (cpu,) = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration()] * count
    if tf.config.get_logical_device_configuration(cpu) == parts:
        return
    try:
        tf.config.set_logical_device_configuration(cpu, parts)
    except RuntimeError as e:  # TensorFlow has begun: too late to cut it up
        if len(tf.config.list_logical_devices("CPU")) < count:
            raise ColorizeError(f"cannot make {count} CPU devices: {e}") from e


def _connect(cluster: Cluster) -> tf.distribute.Strategy:
    """Wait for the other workers, whom TensorFlow finds in TF_CONFIG by itself.

    It waits up to an hour, and holds Python's lock: no handler and no thread of ours
    runs meanwhile.

    Raises:
        ColorizeError: the port of this worker is taken, or the others do not come.
    """
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as e:
        address = cluster.workers[cluster.index]
        raise ColorizeError(f"{address}: no cluster came together: {e.message}") from e
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # TensorFlow has put its own
            signal.signal(number, signal.getsignal(number))
