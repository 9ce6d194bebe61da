"""A training may be asked to stop, or torn apart, at any moment: it goes on the same.

The loop and what it saves are the real ones. The network is one number, so that every
moment can be tried.
"""

import contextlib
import hashlib
import itertools
import json
import os
import signal
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from colorize import config, run_folder
from colorize.datasets import preparing
from colorize.training import loop, optimizers, progress, saving, step, stopping
from colorize.training.events import Activity

PARTS = {part.__file__ for part in (loop, step, saving, progress, optimizers)}
SETTINGS = {"epochs": 2, "steps_per_epoch": 2, "batch_size": 3, "average": 0.5}


class Number:
    """A variable, as far as checkpoints and optimizers know one."""

    shape = ()

    def __init__(self, value=0.0):
        self.value = np.array(value)

    def assign(self, value):
        self.value = np.array(value)

    def __array__(self, dtype=None, copy=None):
        return self.value


class OneNumber(step.Learner):
    """Learns a number from each batch, and counts its steps as an optimizer does."""

    def __init__(self):
        self.devices = SimpleNamespace(chief=True, batches=lambda make: range(2))
        self.number, self.count, self.average = Number(), Number(), Number()
        self.model = SimpleNamespace(
            trainable_variables=[self.number], get_weights=lambda: [self.number.value]
        )
        self.optimizer = SimpleNamespace(
            use_ema=True,
            iterations=self.count,
            _model_variables_moving_average=[self.average],
        )
        self.critic, self.batch_size, self.part = None, 3, 3
        self.step, self._traced, self._share = 0, True, 3
        self.activity = Activity()

    def variables(self):
        return {"model": [self.number, self.average], "optimizer": [self.count]}

    def _learn(self, batch, _, asked):
        self.number.assign(self.number.value * 0.9 + batch)
        self.average.assign(self.average.value + self.number.value)
        self.count.assign(self.count.value + 1)
        return [float(self.number.value), 0.0, *asked]

    def _validate(self, lightness, ab, counted, asked):
        return np.array([float(self.number.value)] * 5 + [0.0, 0.0, float(asked)])

    def validate(self, batches, pictures, stop):
        return super().validate(((b, 0, 0) for b in batches), pictures, stop)


class SavesNumbers(saving.Saver):
    def _save_model(self):
        with self._learner.averaged():
            (self._run / run_folder.MODEL).touch()


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """No pictures, and nothing drawn."""
    journal = SimpleNamespace(note=lambda *_: None, close=lambda: None)
    batches = [(np.zeros((1, 8, 8, 1)), np.zeros((1, 8, 8, 2)), 1)]
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(loop, "Journal", lambda *_, **__: journal)
    monkeypatch.setattr(loop.loader, "validation_batches", lambda *_, **__: batches)
    monkeypatch.setattr(
        loop,
        "_batches",
        lambda work, _: ((n, 0) for n in itertools.count(work.saver.progress.step)),
    )


def train(run, stop, *, at=0, do=lambda stop: None, resume=False, **flags):
    """Train; `do` at the at-th line of this package. Return how many lines there are.

    What was reached is in the run folder.
    """
    settings = config.load(None, SETTINGS | flags)
    learner = OneNumber()
    saver = SavesNumbers(settings, run, learner, {})
    if resume:
        saver.restore()
    saver.begin()
    pictures = preparing.Pictures(
        0, range(6), range(2), files=8, unreadable=[], grey=0, twins=0, memorised=False
    )
    work = loop._Work(
        settings, run, learner.devices, stop, learner.activity, pictures, learner, saver
    )
    lines = 0

    def trace(frame, event, _):
        nonlocal lines
        if frame.f_code.co_filename not in PARTS:
            return None
        lines += event == "line"
        if event == "line" and lines == at:
            do(stop)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with contextlib.closing(loop._run_epochs(work, None)) as events:
            for _ in events:
                pass
    finally:
        sys.settrace(before)
    return lines


def result(run):
    """What a run has come to: its numbers, and its history without its seconds."""
    (path, *_) = run_folder.states(run)
    with np.load(path) as arrays:
        numbers = [float(arrays[n]) for n in ("model0", "model1", "optimizer0")]
        values, *_ = json.loads(str(arrays["progress"]))
    rows = [
        {k: v for k, v in row.items() if "second" not in k} for row in values["history"]
    ]
    return numbers, values["step"], values["best"], rows


def ask(stop):
    stop.signal = signal.SIGTERM


def tear(stop):
    raise KeyboardInterrupt


ONE, EACH = {"steps_per_epoch": 1}, {"epochs": 1, "checkpoint_every": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("do", "flags"), [(ask, {}), (tear, {}), (ask, ONE), (tear, ONE), (tear, EACH)]
)
def test_what_is_stopped_at_any_line_goes_on_as_if_it_had_not_been(do, flags, tmp_path):
    run = tmp_path / "whole"
    run.mkdir()
    lines = train(run, stopping.Stop(), **flags)
    expected = result(run)
    assert lines > 100
    stopped = 0
    for at in range(1, lines + 1):
        run = tmp_path / f"{at}"
        run.mkdir()
        try:
            train(run, stopping.Stop(), at=at, do=do, **flags)
        except (KeyboardInterrupt, stopping.Stopped):
            stopped += 1
            train(run, stopping.Stop(), resume=True, **flags)
        assert result(run) == expected, f"at line {at} of {lines}"
    assert stopped > lines / 2


@pytest.mark.skipif(os.name == "nt", reason="no kill there")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_is_answered_while_the_main_thread_is_deep_in_a_library(name):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    answers = []
    with stopping.listening(lambda n: answers.append((n, time.monotonic()))):
        timer = threading.Timer(0.1, os.kill, (os.getpid(), number))
        timer.start()
        while timer.is_alive():  # no Python is run in here, so no handler either
            hashlib.pbkdf2_hmac("sha256", b"", b"", 3_000_000)
        ended = time.monotonic()
    ((answered, at),) = answers
    assert answered == number
    assert at < ended - 0.3
    assert signal.getsignal(number) == before


def test_what_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopping.listening(lambda number: pytest.fail("it was heard")):
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.1)
    finally:
        signal.signal(signal.SIGINT, before)
