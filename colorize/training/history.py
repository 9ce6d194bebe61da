"""What a training shows of itself: history, curves, sheets of samples, TensorBoard."""

import csv
import itertools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from colorize import color, files
from colorize.pictures import sheets

DRAW_SECONDS = 20.0  # between drawings of the curves

COLUMNS = (
    "epoch", "seconds", "images_per_second", "loss", "learning_rate", "loss_scale",
    "critic_loss",
    "val_loss", "val_psnr", "grey_psnr", "val_ab_rmse", "grey_ab_rmse",
    "mean_ab_rmse",
)  # fmt: skip

Row = Mapping[str, float]


class Journal:
    """The readable part of a run folder.

    Args:
        run: the run folder.
        title: of the curves.
        word: what the figures of validation are called.
        history: the epochs so far.
    """

    def __init__(
        self, run: Path, *, title: str, word: str, history: Sequence[Row]
    ) -> None:
        self.run = run
        self.title = title
        self.word = word
        self._drawn_at = time.monotonic()
        self._tensorboard = tf.summary.create_file_writer(str(run / "tensorboard"))
        with files.atomic(run / "history.csv") as part:
            with open(part, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(history)

    def close(self) -> None:
        """Writes what is still to be written."""
        self._tensorboard.close()

    def note(self, history: Sequence[Row], samples: np.ndarray | None) -> None:
        """Notes the last epoch of a history, and a sheet of samples if there is one."""
        row = history[-1]
        epoch = int(row["epoch"])
        with open(self.run / "history.csv", "a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS).writerow(row)
        with self._tensorboard.as_default(step=epoch):
            for name, value in row.items():
                tf.summary.scalar(name, value)
            if samples is not None:
                tf.summary.image("samples", samples[None])
        if samples is not None:
            (self.run / "samples").mkdir(exist_ok=True)
            sheets.save(samples, self.run / "samples" / f"epoch-{epoch:05d}.png")
        if time.monotonic() - self._drawn_at > DRAW_SECONDS:
            self.draw_curves(history)

    def draw_curves(self, history: Sequence[Row]) -> None:
        """Draws curves.png."""
        self._drawn_at = time.monotonic()

        def line(name: str) -> list[tuple[float, float]]:
            return [(row["epoch"], row[name]) for row in history if name in row]

        if not line("val_loss"):
            return
        sheets.curves(
            {
                "loss": {"training": line("loss"), self.word: line("val_loss")},
                "PSNR, dB": {
                    self.word: line("val_psnr"), "all grey": line("grey_psnr")
                },
                "ab RMSE": {
                    self.word: line("val_ab_rmse"), "all grey": line("grey_ab_rmse"),
                    "mean ab": line("mean_ab_rmse"),
                },
            },
            self.run / "curves.png",
            title=self.title,
        )  # fmt: skip

    def sheet(
        self, lightness: np.ndarray, predicted: np.ndarray, true: np.ndarray, epoch: int
    ) -> np.ndarray:
        """A contact sheet, grey | ours | true.

        Args:
            lightness: (B, H, W, 1) in [0, 100].
            predicted: (B, H, W, 2) in Lab units.
            true: the same.
            epoch: for the title.

        Returns:
            (H, W, 3) uint8.
        """
        rows = [
            (color.grey(grey), color.join(grey, ours), color.join(grey, truth))
            for grey, ours, truth in zip(
                lightness[..., 0], predicted, true, strict=True
            )
        ]
        flat = [list(itertools.chain(*rows[i : i + 2])) for i in range(0, len(rows), 2)]
        return sheets.contact_sheet(
            flat,
            ("grey", "ours", "true") * min(2, len(rows)),
            title=f"{self.word}, epoch {epoch}",
            side=160,
        )
