"""Which part of the pictures is this process's, by flag or by scheduler."""

from collections.abc import Mapping

from colorize.errors import UsageError


def shard(asked: str, environment: Mapping[str, str]) -> tuple[int, int]:
    """Return which part of the work is this process's: (i, n), the i-th of n from 1.

    Args:
        asked: `I/N`; `auto` to ask a SLURM array or `srun`; `auto/N` for a
            Kubernetes Indexed Job of N completions, which does not tell how many.
        environment: of the process.

    Raises:
        UsageError: it makes no sense, or nothing tells.
    """
    index, _, count = asked.partition("/")
    try:
        if index == "auto" and not count:
            part = _shard_of_slurm(environment)
        elif index == "auto":
            part = int(environment["JOB_COMPLETION_INDEX"]) + 1, int(count)
        else:
            part = int(index), int(count)
    except KeyError as e:
        raise UsageError(f"--shard {asked}: {e.args[0]} is not set") from e
    except ValueError as e:
        raise UsageError(
            f"--shard must be I/N, as 1/4 to 4/4, auto or auto/N, got {asked}"
        ) from e
    if not 1 <= part[0] <= part[1]:
        raise UsageError(f"--shard {asked}: there is no part {part[0]} of {part[1]}")
    return part


def _shard_of_slurm(environment: Mapping[str, str]) -> tuple[int, int]:
    if "SLURM_ARRAY_TASK_ID" in environment:
        number, first, count = (
            int(environment[f"SLURM_ARRAY_TASK_{name}"])
            for name in ("ID", "MIN", "COUNT")
        )
        step = int(environment.get("SLURM_ARRAY_TASK_STEP", "1"))
        return (number - first) // step + 1, count
    return int(environment["SLURM_PROCID"]) + 1, int(environment["SLURM_NTASKS"])
