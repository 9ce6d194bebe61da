import pytest

from colorize.errors import UsageError
from colorize.prediction import shards

ARRAY = {
    "SLURM_ARRAY_TASK_ID": "7",
    "SLURM_ARRAY_TASK_MIN": "3",
    "SLURM_ARRAY_TASK_STEP": "2",
    "SLURM_ARRAY_TASK_COUNT": "4",
    "SLURM_PROCID": "0",
    "SLURM_NTASKS": "1",
}


@pytest.mark.parametrize(
    ("asked", "environment", "part"),
    [
        ("1/1", {}, (1, 1)),
        ("3/4", ARRAY, (3, 4)),
        ("auto", ARRAY, (3, 4)),
        ("auto", {"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, (1, 8)),
        ("auto/8", {"JOB_COMPLETION_INDEX": "7"}, (8, 8)),
    ],
)
def test_a_part_of_the_work_is_told_by_flag_or_scheduler(asked, environment, part):
    assert shards.shard(asked, environment) == part


@pytest.mark.parametrize("asked", ["0/4", "5/4", "4", "a/b", "1/0", "/", "auto/4"])
def test_a_part_that_there_is_not_is_wrong_usage(asked):
    with pytest.raises(UsageError, match="--shard"):
        shards.shard(asked, {"JOB_COMPLETION_INDEX": "4"})


def test_auto_without_a_scheduler_says_what_is_not_set():
    with pytest.raises(UsageError, match="SLURM_PROCID is not set"):
        shards.shard("auto", {})
