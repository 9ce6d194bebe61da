"""What a training says of itself: events that it yields, and what it is doing now."""

from dataclasses import dataclass
from pathlib import Path

from colorize.config import show_size
from colorize.datasets import preparing


@dataclass(frozen=True)
class Note:
    """A line for the user."""

    text: str


@dataclass(frozen=True)
class Embedding:
    """Progress of asking the classifier: `done` of `total` pictures."""

    verb = "embedding"
    done: int
    total: int


@dataclass(frozen=True)
class Prepared:
    """The pictures are decoded and split."""

    pictures: preparing.Pictures
    run: Path


@dataclass(frozen=True)
class Plan:
    """What is about to be done, before the first step.

    Attributes:
        model: the architecture.
        size: (height, width) of what it learns from, in pixels.
        pictures: to learn from; None where they are not counted.
        batch_size: pictures a step.
        steps: in an epoch.
        epochs: to be trained in all.
        done: steps done already, by the run that is resumed.
    """

    model: str
    size: tuple[int, int]
    pictures: int | None
    batch_size: int
    steps: int
    epochs: int
    done: int

    def describe(self) -> str:
        """Return lines: how much there is to do, what an epoch is, how to stop."""
        steps, pictures = self.steps * self.epochs, self.steps * self.batch_size
        lines = [
            f"{self.model} learns at {show_size(self.size)}: "
            f"{_count(self.epochs, 'epoch')} of {_count(self.steps, 'step')} of "
            f"{_count(self.batch_size, 'picture')}, {steps * self.batch_size:,} "
            f"pictures in all" + (f"; {self.done:,} steps are done" * bool(self.done))
        ]
        passes = pictures / self.pictures if self.pictures else 1
        if self.pictures and not 0.5 < passes < 2:
            lines.append(
                f"an epoch is {_count(self.steps, 'step')} here, {passes:.2g} times "
                f"the {self.pictures:,} pictures; --steps-per-epoch "
                f"{max(1, round(self.pictures / self.batch_size))} makes it one pass"
            )
        lines.append("stop when you like: Ctrl-C keeps what was learnt")
        return "\n".join(lines)


@dataclass(frozen=True)
class Step:
    """One step is done.

    Attributes:
        epoch: counted from 1.
        epochs: to be trained in all.
        before: steps of the run done before this one.
        steps: in an epoch.
        pictures: learnt from in this step.
        loss: the mean over the epoch so far.
        seconds: that this step took.
        epoch_seconds: that an epoch takes at the pace so far.
    """

    epoch: int
    epochs: int
    before: int
    steps: int
    pictures: int
    loss: float
    seconds: float
    epoch_seconds: float


@dataclass(frozen=True)
class Epoch:
    """One epoch is done.

    Attributes:
        epoch: counted from 1.
        epochs: to be trained in all.
        figures: a row of history.csv.
        best: whether its model is the best so far.
        memorised: whether it was validated on the training pictures themselves.
    """

    epoch: int
    epochs: int
    figures: dict[str, float]
    best: bool
    memorised: bool

    def describe(self) -> str:
        """Return one line: the loss, and validation figures beside those of grey."""
        row = self.figures
        parts = [
            f"epoch {self.epoch}/{self.epochs}: loss {row['loss']:.4g}",
            f"{validation_word(self.memorised)} {row['val_loss']:.4g}",
            f"PSNR {row['val_psnr']:.2f} dB (all grey {row['grey_psnr']:.2f})",
            f"ab RMSE {row['val_ab_rmse']:.2f} (all grey {row['grey_ab_rmse']:.2f}, "
            f"mean ab {row['mean_ab_rmse']:.2f})",
        ]
        for name, text in (
            ("images_per_second", "{:.1f} pictures/s"),
            ("critic_loss", "critic {:.2f}"),
            ("loss_scale", "loss scale {:g}"),
        ):
            if name in row:
                parts.append(text.format(row[name]))
        if row["val_ab_rmse"] > row["grey_ab_rmse"]:
            parts.append("still worse than all grey")
        elif self.best:
            parts.append("the best so far")
        return ", ".join(parts)


@dataclass(frozen=True)
class Finished:
    """The training is done: where the run is, and where its seconds went."""

    run: Path
    seconds: dict[str, float]

    def describe(self) -> str:
        """Return one line: how long it took, and what share of it what took."""
        total = sum(self.seconds.values())
        parts = [f"{what} {s / total:.0%}" for what, s in self.seconds.items() if total]
        return f"done in {total:.0f} s ({', '.join(parts)}); see {self.run}"


@dataclass(frozen=True)
class Stopped:
    """A signal has ended the training, here or at another worker; all is saved."""

    run: Path


Event = (
    preparing.Decoding
    | Embedding
    | Prepared
    | Plan
    | Note
    | Step
    | Epoch
    | Finished
    | Stopped
)


class Activity:
    """What a training is doing at this moment, for other threads to read."""

    def __init__(self) -> None:
        self.unit = "preparing"  # what is finished before a stop
        self._now = ("preparing", 0, 0)  # replaced as a whole

    def begin(self, text: str, pictures: int = 0, *, unit: str = "this step") -> None:
        """Note what begins, and of how many pictures, where these are counted."""
        self._now = (text, 0, pictures)
        self.unit = unit

    def advance(self, pictures: int) -> None:
        """Note so many more pictures done."""
        text, done, total = self._now
        self._now = (text, done + pictures, total)

    def describe(self) -> str:
        """Return it in words: `step 3 of 1,000: picture 16 of 50`."""
        text, done, total = self._now
        return f"{text}: picture {min(done + 1, total)} of {total}" if total else text


def validation_word(memorised: bool) -> str:
    """Return what figures on the validation pictures are called."""
    return "memorised" if memorised else "validation"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
