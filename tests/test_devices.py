"""Several devices and several processes train as one device does.

Each is a process of its own: TensorFlow's devices cannot be changed once it has begun.
"""

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import WAIT, wait_until

from colorize import models
from colorize.errors import UsageError
from colorize.models import saved
from colorize.training import cluster, devices

SCRIPT = Path(__file__).with_name("train_every_model.py")
# The quick ones have what could go wrong: a plain network, and batch normalization.
QUICK = ("alpha", "colornet")
SLOW = tuple(name for name in models.ARCHITECTURES if name not in QUICK)
EVERY = pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)


def free_ports(count):
    """Ports of this machine that nothing listens on."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def start(arguments, environment, log):
    with log.open("w") as file:
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"} | environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def start_workers(arguments, folder, count):
    """So many processes that train together, each with a log `worker-I.log`."""
    addresses = [f"localhost:{port}" for port in free_ports(count)]
    return [
        start(
            arguments,
            {"TF_CONFIG": cluster.Cluster(tuple(addresses), i).tf_config()},
            folder / f"worker-{i}.log",
        )
        for i in range(count)
    ]


def finish(processes, folder):
    codes = [process.wait(timeout=2 * WAIT) for process in processes]
    logs = "\n".join(path.read_text() for path in folder.glob("*.log"))
    assert not any(codes), logs[-3000:]


def loss_curve(run):
    with open(run / "history.csv", encoding="utf-8", newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def assert_same_training(one, other):
    curve = loss_curve(one)
    assert len(curve) == 20
    np.testing.assert_allclose(loss_curve(other), curve, rtol=1e-3)
    for mine, theirs in zip(
        saved.open_model(one).get_weights(),
        saved.open_model(other).get_weights(),
        strict=True,
    ):
        # Rounding grows over twenty steps, in Beta's to 1e-3 on one machine; steps that
        # are a sixth too short move Alpha's weights by 9e-3.
        np.testing.assert_allclose(mine, theirs, atol=4e-3)


@pytest.fixture(scope="module")
def sample_photos(tmp_path_factory):
    """Eight of the sample photos, linked."""
    folder = tmp_path_factory.mktemp("photos")
    samples = Path(__file__).parent.parent / "data" / "train"
    for path in sorted(samples.glob("*.jpg"))[:8]:
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def trained(sample_photos, tmp_path_factory):
    """`trained(name, devices, processes)`: the run folder of that model.

    Those that are quick are trained in one go, and so are those that are slow.
    """
    folder = tmp_path_factory.mktemp("trained")

    def trained(name, devices="cpu", processes=1):
        group = next(group for group in (QUICK, SLOW) if name in group)
        out = folder / "-".join([group[0], *devices.split(":"), str(processes)])
        if not out.exists():
            out.mkdir()
            arguments = [SCRIPT, sample_photos, out, devices, *group]
            if processes == 1:
                finish([start(arguments, {}, out / "log.log")], out)
            else:
                finish(start_workers(arguments, out, processes), out)
        return out / name

    return trained


@pytest.mark.slow
@pytest.mark.numeric
@EVERY
def test_two_devices_train_as_one_does(name, trained):
    assert_same_training(trained(name), trained(name, devices="2"))


@pytest.mark.slow
@EVERY
def test_steps_in_parts_train_as_whole_ones_do(name, trained):
    in_parts = trained(name, devices="cpu:4")  # 6 pictures a step, as 4 and 2
    assert_same_training(trained(name), in_parts)


@pytest.mark.slow
@EVERY
def test_two_processes_train_as_one_does(name, trained):
    assert_same_training(trained(name), trained(name, processes=2))


@pytest.mark.slow
def test_three_processes_train_as_one_does(trained):
    assert_same_training(trained("colornet"), trained("colornet", processes=3))


def train_together(photos, out, folder, *flags):
    return start_workers(
        ["-m", "colorize", "train", photos, "--model", "alpha", "--out", out,
         "--width", 4, "--size", 32, "--batch-size", 2, "--min-colourfulness", 0,
         "--cache-dir", folder / "cache", "--sample-every", 9999, *flags],
        folder, 2,
    )  # fmt: skip


def steps_done(out):
    names = [path.stem for path in (out / "checkpoint").glob("step-*.npz")]
    return max((int(name.removeprefix("step-")) for name in names), default=0)


@pytest.mark.slow
def test_a_worker_that_is_killed_is_named_and_the_run_can_go_on(
    sample_photos, tmp_path
):
    out = tmp_path / "run"
    flags = ["--epochs", 4000, "--steps-per-epoch", 10, "--checkpoint-every", 10]
    flags += ["--val-every", 4000]
    chief, other = train_together(sample_photos, out, tmp_path, *flags)
    try:
        wait_until(lambda: steps_done(out) >= 20)
        other.send_signal(signal.SIGKILL)
        assert chief.wait(timeout=WAIT) == 1
    finally:
        chief.kill()
        other.kill()
    log = (tmp_path / "worker-0.log").read_text()
    assert re.search(r"Error: lost worker 1 \(localhost:\d+\); .*--resume --out", log)
    assert "Traceback" not in log
    done = steps_done(out)
    assert done >= 20
    flags = ["--resume", "--epochs", done // 10 + 2, "--steps-per-epoch", 10]
    finish(train_together(sample_photos, out, tmp_path, *flags), tmp_path)
    assert len(loss_curve(out)) == done // 10 + 2


def test_a_batch_that_cannot_be_shared_offers_one_that_can():
    class Three(devices.Devices):
        replicas = 3

    with pytest.raises(UsageError, match="--batch-size 16 .* 3 devices; try 15"):
        Three(None, None, "").check_batch_size(16)


# Who is in the cluster.


def tf_config(index=0, workers=("a:1", "b:2"), kind="worker"):
    task = {"type": kind, "index": index}
    return {"TF_CONFIG": json.dumps({"cluster": {kind: workers}, "task": task})}


def test_without_a_cluster_there_is_none():
    assert cluster.find({}) is None
    assert cluster.find(tf_config(workers=["a:1"])) is None


def test_tf_config_tells_the_workers():
    together = cluster.find(tf_config(index=1))
    assert together == cluster.Cluster(("a:1", "b:2"), 1)
    assert cluster.find({"TF_CONFIG": together.tf_config()}) == together


@pytest.mark.parametrize(
    "environment",
    [
        {"TF_CONFIG": "nonsense"},
        {"TF_CONFIG": "[]"},
        {"TF_CONFIG": "{}"},
        tf_config(index=2),
        tf_config(kind="ps"),
        tf_config(workers=["a", "b"]),
    ],
)
def test_a_cluster_that_makes_no_sense_is_refused(environment):
    with pytest.raises(UsageError):
        cluster.find(environment)


@pytest.mark.parametrize(
    "nodes, tasks, workers",
    [
        ("n1", "2", ["n1", "n1"]),
        ("n[1-2]", "1(x2)", ["n1", "n2"]),
        ("n[09-11]", "1(x3)", ["n09", "n10", "n11"]),
        ("gpu[2,10],login", "2,1(x2)", ["gpu2", "gpu2", "gpu10", "login"]),
        ("a[1-2].site,b", "1,2,1", ["a1.site", "a2.site", "a2.site", "b"]),
    ],
)
def test_slurm_tells_the_workers(nodes, tasks, workers):
    environment = {
        "SLURM_PROCID": "1",
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_TASKS_PER_NODE": tasks,
        "SLURM_JOB_ID": "123456",
    }
    together = cluster.find(environment)
    assert [address.rpartition(":")[0] for address in together.workers] == workers
    assert len(set(together.workers)) == len(workers)
    assert together.index == 1


def test_a_worker_that_does_not_answer_is_lost():
    silent, mine = free_ports(2)
    with socket.create_server(("localhost", 0)) as alive:
        ports = (mine, silent, alive.getsockname()[1])
        together = cluster.Cluster(tuple(f"localhost:{port}" for port in ports), 0)
        assert together.lost() == f"worker 1 (localhost:{silent})"


def test_a_worker_that_is_frozen_is_the_one_that_tensorflow_names():
    with socket.create_server(("localhost", 0)) as alive:
        address = f"localhost:{alive.getsockname()[1]}"
        together = cluster.Cluster(("localhost:1", address), 0)
        message = "from /job:worker/replica:0/task:1: /job:worker/task:0 is well"
        assert together.lost(message) == f"worker 1 ({address})"
        assert together.lost("out of cheese\nmore") == "another worker (out of cheese)"


@pytest.mark.slow
def test_sigterm_to_all_workers_saves_a_state_that_can_be_gone_on_from(
    sample_photos, tmp_path
):
    out = tmp_path / "run"
    flags = ["--epochs", 4000, "--steps-per-epoch", 10, "--val-every", 4000]
    workers = train_together(sample_photos, out, tmp_path, *flags)
    wait_until(lambda: steps_done(out) >= 20)
    for worker in workers:
        worker.terminate()
    assert workers[0].wait(timeout=WAIT) in (1, 143)  # 1 where the other went first
    workers[1].wait(timeout=WAIT)
    done = steps_done(out)
    with np.load(out / "checkpoint" / f"step-{done:09d}.npz") as state:
        assert state["optimizer0"] == done  # its own count of steps
    flags = ["--resume", "--epochs", done // 10 + 2, "--steps-per-epoch", 10]
    finish(train_together(sample_photos, out, tmp_path, *flags), tmp_path)
    assert len(loss_curve(out)) == done // 10 + 2


@pytest.mark.slow
def test_workers_that_do_not_see_the_same_pictures_are_told(sample_photos, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for path in sorted(sample_photos.iterdir())[1:]:
        shutil.copy(path, other)
    workers = []
    ports = free_ports(2)
    for i, folder in enumerate((sample_photos, other)):
        together = cluster.Cluster(tuple(f"localhost:{port}" for port in ports), i)
        arguments = ["-m", "colorize", "train", folder, "--model", "alpha", "--size",
                     32, "--out", tmp_path / "run", "--cache-dir", tmp_path / f"{i}",
                     "--min-colourfulness", 0, "--batch-size", 2]  # fmt: skip
        environment = {"TF_CONFIG": together.tf_config()}
        workers.append(start(arguments, environment, tmp_path / f"worker-{i}.log"))
    assert [worker.wait(timeout=WAIT) for worker in workers] == [1, 1]
    log = (tmp_path / "worker-0.log").read_text()
    assert "the workers have not all the same pictures" in log
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_port_that_is_taken_is_told(sample_photos, tmp_path):
    with socket.create_server(("localhost", 0)) as taken:
        addresses = (f"localhost:{taken.getsockname()[1]}", "localhost:1")
        worker = start(
            ["-m", "colorize", "train", sample_photos, "--out", tmp_path / "run"],
            {"TF_CONFIG": cluster.Cluster(addresses, 0).tf_config()},
            tmp_path / "log",
        )
        assert worker.wait(timeout=WAIT) == 1
    log = (tmp_path / "log").read_text()
    assert f"Error: {addresses[0]}: no cluster came together" in log
    assert "Traceback" not in log
