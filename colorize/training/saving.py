"""What of a training is saved, and when: checkpoints, and the model that predicts."""

import time
from pathlib import Path
from typing import Any

import keras

from colorize import models, run_folder
from colorize.config import TrainConfig
from colorize.errors import ColorizeError
from colorize.models import saved
from colorize.training import checkpoints
from colorize.training.progress import Progress
from colorize.training.step import Learner

SAVE_SECONDS = 60.0  # between checkpoints within an epoch
SAVE_SHARE = 0.05  # of the time, that checkpoints may take


class Saver:
    """How far a training has come, and how that gets into its run folder.

    Weights and progress are saved together only where they are those of one step. The
    chief alone writes.

    Args:
        config: every setting.
        run: the run folder.
        learner: has the weights.
        options: that its model was built with.

    Attributes:
        progress: one record, replaced as a whole.
    """

    def __init__(
        self, config: TrainConfig, run: Path, learner: Learner, options: dict[str, Any]
    ) -> None:
        self.progress = Progress()
        self._config = config
        self._run = run
        self._learner = learner
        self._options = options
        self._writes = learner.devices.chief
        self._float32: keras.Model | None = None  # on one device: what is saved
        self._saved_at, self._save_seconds = time.monotonic(), 0.0

    def restore(self) -> list[str]:
        """Go on from the last whole checkpoint; return what is wrong with later ones.

        Raises:
            ColorizeError: there is none that this training can go on from.
        """
        values, problems = checkpoints.load_state(
            self._run, self._learner.variables(), set_aside=self._writes
        )
        try:
            self.progress = Progress.from_json(values)
        except ValueError as e:
            raise ColorizeError(
                f"{self._run}: its checkpoint cannot be gone on from: {e}; start "
                f"another run from its model with --init {self._run}"
            ) from e
        self._learner.step = self.progress.step
        return problems

    def begin(self) -> None:
        """Save the first checkpoint: from here on there is something to resume."""
        if self._writes:
            checkpoints.clear_leftovers(self._run)
            self._save_checkpoint()

    def after_step(self) -> None:
        """Save a checkpoint within an epoch, every so many steps or seconds."""
        every = self._config.checkpoint_every
        due = (
            self.progress.step % every == 0
            if every is not None
            else self._affordable(SAVE_SECONDS)
        )
        if due and self._writes:
            self._save_checkpoint()

    def after_epoch(self, progress: Progress, *, model: bool) -> None:
        """Save as an epoch ends, and as it is validated.

        Args:
            progress: what is done by then.
            model: whether its model is the one to keep.
        """
        if model and self._writes:
            self._save_model()
        self.progress = progress
        # A checkpoint knows how good the saved model is.
        due = model or self._config.checkpoint_every is not None or self._affordable()
        if due and self._writes:
            self._save_checkpoint()

    def at_the_end(self) -> None:
        """Save all that was learnt, unless something ended a step halfway."""
        if not (self._writes and self.progress.step and self._whole()):
            return
        self._save_checkpoint()
        if not (self._run / run_folder.MODEL).exists():  # not validated once yet
            self._save_model()

    def _affordable(self, pause: float = 0.0) -> bool:
        """Return whether the last checkpoint is long enough ago for what it took."""
        pause = max(pause, self._save_seconds / SAVE_SHARE)
        return time.monotonic() - self._saved_at > pause

    def _whole(self) -> bool:
        """Return whether the weights are finite, and of the step of the progress."""
        return self._learner.step == self.progress.step and self._learner.is_finite()

    def _save_checkpoint(self) -> None:
        start = time.monotonic()
        if not self._whole():
            return
        variables, progress = self._learner.variables(), self.progress.to_json()
        checkpoints.save_state(self._run, variables, progress)
        self._saved_at = time.monotonic()
        self._save_seconds = self._saved_at - start

    def _save_model(self) -> None:
        """Save the model as one of one device in float32, whatever trained it."""
        if self._float32 is None:
            architecture = models.find(self._config.model)
            plain = {"policy": "float32"}
            if architecture.embeds:
                plain |= {"embedding_weights": "none"}
            self._float32 = architecture.build(**(self._options | plain))
        with self._learner.averaged():
            self._float32.set_weights(self._learner.model.get_weights())
        saved.save_model(self._float32, self._run / run_folder.MODEL)
