"""What a training shows of itself: history, curves, sheets of samples, TensorBoard."""

import csv
import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from colorize import color, files, run_folder
from colorize.pictures import sheets
from colorize.training.progress import Row

DRAW_SECONDS = 20.0  # between drawings of the curves

COLUMNS = (
    "epoch", "seconds", "images_per_second", "loss", "learning_rate", "loss_scale",
    "critic_loss",
    "val_loss", "val_psnr", "grey_psnr", "val_ab_rmse", "grey_ab_rmse",
    "mean_ab_rmse",
)  # fmt: skip


class Journal:
    """The readable part of a run folder.

    Args:
        run: the run folder.
        title: of the curves.
        word: what the figures of validation are called.
        history: the epochs so far.
        samples: L (B, H, W, 1) and true ab (B, H, W, 2) of the pictures on all sheets.
    """

    def __init__(
        self,
        run: Path,
        *,
        title: str,
        word: str,
        history: Sequence[Row],
        samples: tuple[np.ndarray, np.ndarray],
    ) -> None:
        self.run = run
        self.title = title
        self.word = word
        self._history = list(history)
        self._samples = samples
        self._drawn_at = time.monotonic()
        self._tensorboard = tf.summary.create_file_writer(
            str(run / run_folder.TENSORBOARD)
        )
        with files.atomic(run / "history.csv") as part:
            with open(part, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(history)

    def close(self) -> None:
        """Write what is still to be written."""
        self._draw_curves()
        self._tensorboard.close()

    def note(
        self, row: Row, predict: Callable[[np.ndarray], np.ndarray] | None
    ) -> None:
        """Note an epoch.

        Args:
            row: its figures.
            predict: gives ab of the samples from their L; None for no sheet of them.
        """
        epoch = int(row["epoch"])
        self._history.append(row)
        with open(self.run / "history.csv", "a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS).writerow(row)
        with self._tensorboard.as_default(step=epoch):
            for name, value in row.items():
                tf.summary.scalar(name, value)
            if predict is not None:
                lightness, true = self._samples
                sheet = self._sheet(lightness, predict(lightness), true, epoch)
                tf.summary.image("samples", sheet[None])
                (self.run / "samples").mkdir(exist_ok=True)
                sheets.save(sheet, self.run / "samples" / f"epoch-{epoch:05d}.png")
        if time.monotonic() - self._drawn_at > DRAW_SECONDS:
            self._draw_curves()

    def _draw_curves(self) -> None:
        self._drawn_at = time.monotonic()

        def line(name: str) -> list[tuple[float, float]]:
            return [(row["epoch"], row[name]) for row in self._history if name in row]

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

    def _sheet(
        self, lightness: np.ndarray, predicted: np.ndarray, true: np.ndarray, epoch: int
    ) -> np.ndarray:
        """Return a contact sheet (H, W, 3) uint8, grey | ours | true."""
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
