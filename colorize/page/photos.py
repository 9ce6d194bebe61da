"""One uploaded photo: its names, what is asked for it, and what became of it."""

import os
import secrets
import shutil
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

from colorize import files
from colorize import hints as hinting
from colorize.hints import Hints
from colorize.page.framing import WHOLE, Frame, Points
from colorize.pictures import finding, formats
from colorize.pictures.reading import Box
from colorize.prediction.job import Job

REFERENCE = "-reference"  # in the name of such a file
_DEPTH = 8  # of folders that are kept
_NAME = 150  # characters of a name that are kept
_FORBIDDEN = '<>:"/\\|?*'  # by one system or another, in names of files
_RESERVED = {"CON", "PRN", "AUX", "NUL"} | {
    f"{port}{i}" for port in ("COM", "LPT") for i in range(1, 10)
}


def shown_name(name: str) -> str:
    """Return the name of an uploaded file to be shown: its last part, on one line."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    # Neither control characters nor those that turn the direction of text around.
    text = "".join(c for c in last if unicodedata.category(c) not in ("Cc", "Cs"))
    text = "".join(c for c in text if not 0x202A <= ord(c) <= 0x202E)
    text = "".join(c for c in text if not 0x2066 <= ord(c) <= 0x2069).strip()
    stem, suffix = os.path.splitext(text)
    return stem[: _NAME - len(suffix[:10])] + suffix[:10] or "photo"


def file_name(name: str) -> str:
    """Return the same as a file can be called on any system."""
    text = "".join("_" if c in _FORBIDDEN else c for c in shown_name(name))
    text = text.strip(" .") or "photo"
    return f"_{text}" if text.split(".")[0].upper() in _RESERVED else text


def safe_suffix(name: str) -> str:
    """Return the suffix of a name if it is one of a format that is read, or else ""."""
    suffix = os.path.splitext(name)[1]
    # Others than ASCII may be of a format, too, as some have small letters in it; but
    # not every file system gives them back as they were.
    is_read = formats.by_suffix(suffix) or formats.is_film(name)
    return suffix if is_read and suffix.isascii() else ""


@dataclass(frozen=True)
class Chosen:
    """What was chosen for the colours of a photo: with anything else it has others.

    Attributes:
        size: short side shown to the network, in pixels; None for the network's usual.
        points: hints as the page has them, by their places in the whole, upright and
            not turned; those outside the frame wait for another.
        colouring: which of several is wanted, from 0, the usual one.
        frame: how the photo is turned, and which part is wanted.
        reference: file of a colour picture whose colours it is to take.
        reference_name: that its owner gave it.
    """

    size: int | None = None
    points: Points = ()
    colouring: int = 0
    frame: Frame = WHOLE
    reference: Path | None = None
    reference_name: str = ""

    @property
    def shown_points(self) -> Points:
        """Return the points that lie in the frame, at places in it."""
        return self.frame.inside(self.points)

    def with_shown(self, shown: Points, frame: Frame | None = None) -> "Chosen":
        """Return the same with other points in the frame; those outside stay.

        Args:
            shown: the points, at places in the frame.
            frame: that they were told in; None for the one that is chosen now.
        """
        frame = frame or self.frame
        if list(shown) == list(frame.inside(self.points)):
            return self
        return replace(
            self, points=[*frame.outside(self.points), *frame.in_whole(shown)]
        )

    @property
    def hints(self) -> Hints | None:
        """Return the points in the frame as the network is told of them."""
        if not (points := self.shown_points):
            return None
        return replace(hinting.of(list(points)), sources=("the page",))


@dataclass(frozen=True)
class Result:
    """What the network says of a photo.

    Attributes:
        job: what became of the photo so far.
        chosen: what it was asked for.
        ab: file of the small ab of its pages.
        small: file of what the network saw, and of the photo made smaller.
        preview: file of what the browser paints.
        thumbnail: the same, smaller.
        version: counts how often the photo was coloured.
    """

    job: Job
    chosen: Chosen
    ab: Path
    small: Path
    preview: Path
    thumbnail: Path
    version: int


def failed_by(job: Job, error: Exception, begun: float) -> Job:
    """Return a job that an error ended, in the words of the page."""
    job = job.failed_by(error, begun)
    if isinstance(error, OSError) and files.is_full(error):
        return replace(job, reason="the disk of the computer is full")
    return job


@dataclass(frozen=True)
class Film:
    """What has become of a film.

    Attributes:
        job: the coloured copy.
        player: file of what browsers play of it.
        version: counts what there was to play.
        whole: whether it is all of the film, or short pieces of it.
        sounds: whether there is anything to hear.
        saturation: that it was coloured with.
        warmth: the same.
    """

    job: Job
    player: Path
    version: int
    whole: bool
    sounds: bool
    saturation: float
    warmth: float


class Progress(NamedTuple):
    """How many frames of a film are done, of about how many, and in what time."""

    frames: int
    total: int
    seconds: float

    @property
    def left(self) -> float:
        """Return for how many seconds it will go on like this."""
        return self.seconds * (self.total / self.frames - 1)


@dataclass(eq=False)
class Photo:
    """One uploaded picture, or a film.

    Attributes:
        id: random; its files are called by that.
        name: that its owner gave it, to be shown.
        folder: that it was dropped with, as in `album/1950`, or "".
        upload: its file.
        added: when it was uploaded, in seconds since 1970.
        chosen: what is wanted of the network.
        saturation: what ab is multiplied by.
        warmth: what it is shifted by, as `color.tuned` does it.
        anyway: whether it is coloured though it is in colour already.
        state: what is happening to it; `left` as it is, being in colour already.
        reason: what went wrong.
        failure: what became of it, where it was not coloured.
        warnings: what could not be kept, as far as that is known.
        result: its colours.
        film: the same of a film.
        progress: of a film that is being coloured.
        copy: the coloured file that was asked for last.
        removed: whether its files are deleted.
    """

    id: str
    name: str
    upload: Path
    folder: str = ""
    added: float = field(default_factory=time.time)
    chosen: Chosen = Chosen()
    saturation: float = 1.0
    warmth: float = 0.0
    anyway: bool = False
    state: Literal["queued", "reading", "colouring", "ready", "left", "failed"] = (
        "queued"
    )
    reason: str = ""
    failure: Job | None = None
    warnings: tuple[str, ...] = ()
    result: Result | None = None
    film: Film | None = None
    progress: Progress | None = None
    copy: Path | None = None
    removed: bool = False

    def file(self, what: str) -> Path:
        """Return the path of a new file of its own."""
        return self.upload.parent / f"{self.id}-{secrets.token_hex(4)}{what}"

    @property
    def is_film(self) -> bool:
        """Return whether it is a film."""
        return formats.is_film(self.upload.name)

    @property
    def film_folder(self) -> Path:
        """Return where what is made of a film lies."""
        return self.upload.with_name(f"{self.id}-film")

    @property
    def suffix(self) -> str:
        """Return that of its copy, which `colorize predict` would give it."""
        if self.film is not None:
            return self.film.job.output.suffix
        folder, name = self.upload.parent, self.upload.name
        return os.path.splitext(finding.output_names([name], "", folder)[0])[1]

    def reference_file(self, name: str) -> Path:
        """Return the path of a new file for a reference of some name."""
        return self.file(f"{REFERENCE}{safe_suffix(name)}")

    def delete(self) -> None:
        """Delete all its files."""
        files.discard_folder(self.film_folder)
        for path in self.upload.parent.glob(f"{self.id}*"):
            files.discard(path)

    def fail(
        self, reason: str, job: Job | None = None, *, tried: Chosen | None = None
    ) -> None:
        """Note what went wrong; colours from before stay, with what is chosen for them.

        Args:
            reason: in words.
            job: what became of it.
            tried: the choices that failed; if others were made since, those are kept.
        """
        self.reason = reason
        if self.result is None:
            self.state, self.failure = "failed", job
            return
        self.state = "ready"
        if tried in (None, self.chosen):
            self.chosen = self.result.chosen


def new_photo(name: str, folder: Path, dropped_with: str = "") -> Photo:
    """Return a photo to be uploaded into a folder.

    Args:
        name: that its owner gave it.
        folder: for its files here.
        dropped_with: the folder that its owner has it in.
    """
    id = secrets.token_hex(8)
    # The name decides on the format of the copy, and never leads to another file.
    suffix = safe_suffix(name)
    parts = dropped_with.replace("\\", "/").split("/")[:_DEPTH]
    shown = "/".join(file_name(part) for part in parts if part.strip(" ."))
    return Photo(id, shown_name(name), folder / f"{id}{suffix}", shown)


def part_of(photo: Photo, box: Box, number: int) -> Photo:
    """Return a part of a photo as a photo of its own, with files of its own.

    Raises:
        OSError: they cannot be written; none is left.
    """
    stem, suffix = os.path.splitext(photo.name)
    part = new_photo(f"{stem} {number}{suffix}", photo.upload.parent)
    part.folder, part.anyway = photo.folder, photo.anyway
    part.saturation, part.warmth = photo.saturation, photo.warmth
    chosen = photo.chosen
    part.chosen = replace(chosen, frame=Frame(chosen.frame.turned, box))
    part.upload = part.upload.with_suffix(photo.upload.suffix)
    try:
        shutil.copyfile(photo.upload, part.upload)
        if chosen.reference is not None:
            reference = part.file(f"{REFERENCE}{chosen.reference.suffix}")
            part.chosen = replace(part.chosen, reference=reference)
            shutil.copyfile(chosen.reference, reference)
    except OSError:
        part.delete()
        raise
    return part


def copy_names(photos: Sequence[Photo]) -> list[str]:
    """Return paths for the copies of photos, such as `album/photo.colorized.jpg`.

    No two are alike.
    """
    taken: set[str] = set()
    names = []
    for photo in photos:
        name = file_name(photo.name)
        if formats.canonical(Path(name).suffix) != formats.canonical(photo.suffix):
            name += photo.suffix
        stem, suffix = os.path.splitext(name)
        stem = f"{photo.folder}/{stem}" if photo.folder else stem
        name = f"{stem}.colorized{suffix}"
        number = 2
        while name.casefold() in taken:
            name = f"{stem} ({number}).colorized{suffix}"
            number += 1
        taken.add(name.casefold())
        names.append(name)
    return names
