"""How far a training has come, beside its weights: one record, replaced as a whole."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, float]  # of history.csv


@dataclass(frozen=True)
class Progress:
    """How far a training has come; the fields are keys of its checkpoints.

    Attributes:
        step: steps done of the whole run.
        best: the lowest validation loss.
        history: a row of each epoch that is over and validated.
        epoch_steps: steps done of the epoch under way.
        epoch_loss: summed over these, as are the seconds and the critic's mistakes.
        epoch_seconds: see there.
        epoch_mistakes: see there.
        read: how far tar shards have been read for the last step.
    """

    step: int = 0
    best: float = math.inf
    history: tuple[Row, ...] = ()
    epoch_steps: int = 0
    epoch_loss: float = 0.0
    epoch_seconds: float = 0.0
    epoch_mistakes: float = 0.0
    read: tuple[int, int, int] = (0, 0, 0)

    def after_step(
        self,
        loss: float,
        mistakes: float,
        seconds: float,
        read: tuple[int, int, int] = (0, 0, 0),
    ) -> "Progress":
        """Return the record after one more step."""
        return dataclasses.replace(
            self,
            step=self.step + 1,
            epoch_steps=self.epoch_steps + 1,
            epoch_loss=self.epoch_loss + loss,
            epoch_mistakes=self.epoch_mistakes + mistakes,
            epoch_seconds=self.epoch_seconds + seconds,
            read=read,
        )

    def with_best(self, figures: Row) -> "Progress":
        """Return the record after a validation, where figures has one."""
        best = min(self.best, figures.get("val_loss", math.inf))
        return dataclasses.replace(self, best=best)

    def after_epoch(self, figures: Row) -> "Progress":
        """Return the record after an epoch, whose row of history.csv is given."""
        best = self.with_best(figures).best
        history = (*self.history, figures)
        return Progress(self.step, best, history, read=self.read)

    def to_json(self) -> dict[str, Any]:
        """Return what a checkpoint holds of it."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> "Progress":
        """Return what `to_json` gave.

        Raises:
            ValueError: a field is missing, of those that a run cannot go on without.
        """
        values = {"read": (0, 0, 0), **values}  # runs of before had no shards
        names = [field.name for field in dataclasses.fields(Progress)]
        for name in names:
            if name not in values:
                raise ValueError(f"it lacks {name}")
        fields = {name: values[name] for name in names}
        several = {name: tuple(fields[name]) for name in ("history", "read")}
        return Progress(**fields | several)
