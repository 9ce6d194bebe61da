"""Which processes share the work, told by the environment they were started in.

TensorFlow's own variable comes first: TF_CONFIG, JSON of all workers' addresses and of
which one this is. Else SLURM's: `srun` tells each task the nodes and its number.
"""

import contextlib
import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from colorize.errors import UsageError

PATIENCE = 3.0  # seconds in which a worker must answer to count as alive
_PORTS = 20_000  # the first port of a SLURM job is one of so many from here on


@dataclass(frozen=True)
class Cluster:
    """The workers of one training.

    Attributes:
        workers: their addresses, `host:port`; the first is the chief.
        index: of this process.
    """

    workers: tuple[str, ...]
    index: int

    def lost(self, message: str = "") -> str:
        """Return the workers that do not answer, in words: `worker 1 (node2:20001)`.

        Args:
            message: of TensorFlow, which names a worker that is frozen but listens.
        """
        silent = {
            i
            for i, address in enumerate(self.workers)
            if i != self.index and not _answers(address)
        }
        named = {int(i) for i in re.findall(r"/job:worker/\S*task:(\d+)", message)}
        missing = silent or named - {self.index}
        names = [f"worker {i} ({self.workers[i]})" for i in sorted(missing)]
        reason = message.splitlines()[0] if message else "it is not known which"
        return ", ".join(names) or f"another worker ({reason})"

    def tf_config(self) -> str:
        """Return this cluster as TensorFlow wants it told."""
        task = {"type": "worker", "index": self.index}
        return json.dumps({"cluster": {"worker": self.workers}, "task": task})


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError):
        with socket.create_connection((host, int(port)), timeout=PATIENCE):
            return True
    return False


def find(environment: Mapping[str, str]) -> Cluster | None:
    """Return the cluster that the environment tells of; None for a process on its own.

    Raises:
        UsageError: what it tells makes no sense.
    """
    if "TF_CONFIG" in environment:
        described = _of_tf_config(environment["TF_CONFIG"])
    elif {"SLURM_PROCID", "SLURM_STEP_NODELIST"} <= set(environment):
        described = _of_slurm(environment)
    else:
        return None
    if not 0 <= described.index < len(described.workers):
        raise UsageError(
            f"this is worker {described.index} of {len(described.workers)}, says the "
            "environment (TF_CONFIG or SLURM): they count from 0"
        )
    return described if len(described.workers) > 1 else None


def _of_tf_config(text: str) -> Cluster:
    try:
        settings = json.loads(text)
        if (
            set(settings["cluster"]) != {"worker"}
            or settings["task"]["type"] != "worker"
        ):
            raise UsageError("TF_CONFIG: all tasks must be of the type worker")
        addresses = tuple(settings["cluster"]["worker"])
        if not all(re.fullmatch(r".+:\d+", address) for address in addresses):
            raise UsageError("TF_CONFIG: addresses of workers are HOST:PORT")
        return Cluster(addresses, int(settings["task"]["index"]))
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise UsageError(
            "TF_CONFIG: cannot be read; it is JSON such as "
            '{"cluster": {"worker": ["a:2222", "b:2222"]}, '
            '"task": {"type": "worker", "index": 0}}'
        ) from e


def _of_slurm(environment: Mapping[str, str]) -> Cluster:
    hosts = _hosts(environment["SLURM_STEP_NODELIST"])
    tasks = _counts(environment.get("SLURM_STEP_TASKS_PER_NODE", "1"), len(hosts))
    # Jobs that share a node must not share ports.
    first = _PORTS + int(environment.get("SLURM_JOB_ID", "0")) % _PORTS
    workers = tuple(
        f"{host}:{first + i}"
        for host, count in zip(hosts, tasks, strict=True)
        for i in range(count)
    )
    return Cluster(workers, int(environment["SLURM_PROCID"]))


def _hosts(nodes: str) -> list[str]:
    """Return the names in SLURM's short form: `gpu[01-03,7],login` are five."""
    hosts = []
    for prefix, ranges, suffix in re.findall(
        r"([^,\[]+)(?:\[([^\]]*)\])?([^,\[]*),?", nodes
    ):
        if not ranges:
            hosts.append(prefix)
            continue
        for piece in ranges.split(","):
            low, _, high = piece.partition("-")
            for number in range(int(low), int(high or low) + 1):
                hosts.append(f"{prefix}{number:0{len(low)}}{suffix}")
    return hosts


def _counts(tasks: str, nodes: int) -> list[int]:
    """Return tasks on each node, from SLURM's short form: `4(x2),3` is 4, 4, 3."""
    counts = []
    for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", tasks):
        counts += [int(count)] * int(times or 1)
    if len(counts) != nodes:
        raise UsageError(
            f"SLURM_STEP_TASKS_PER_NODE ({tasks}) is not of the {nodes} nodes of "
            "SLURM_STEP_NODELIST"
        )
    return counts
