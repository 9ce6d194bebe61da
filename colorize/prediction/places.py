"""Which input becomes which output: checked first, then planned picture by picture."""

import collections
import itertools
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from colorize import files
from colorize.errors import UsageError
from colorize.pictures import finding, formats, reading
from colorize.prediction.job import Job


def beside(picture: Path, format: str, *, first_frame: bool = False) -> Path:
    """Return the name of a copy that lies beside its original, `a.colorized.jpg`.

    Args:
        picture: the original.
        format: a key of `formats.SUFFIXES`.
        first_frame: whether of an animation only that is written.

    Raises:
        UsageError: there is no such picture, or a file of that name is there.
    """
    if picture.is_dir():
        raise UsageError(f"{picture}: a folder; name one for the copies last")
    if not picture.exists():
        raise UsageError(f"{picture}: no such file or folder")
    suffix = formats.SUFFIXES[format]
    (name,) = finding.output_names(
        [picture.name], suffix, picture.parent, animated=not first_frame
    )
    suffix = os.path.splitext(name)[1]
    copy = picture.with_name(f"{picture.stem}{finding.COPY}{suffix}")
    if copy.exists():
        raise UsageError(f"{copy}: there already; name another file, or a folder, last")
    return copy


def is_file_name(target: Path) -> bool:
    """Return whether an output is a file, and no folder, by its name.

    Raises:
        UsageError: it is the name of a picture that is not written.
    """
    if target.is_dir():
        return False
    suffix = target.suffix
    if formats.is_film(target.name):
        return True
    if formats.by_suffix(suffix) or formats.unsupported_by_suffix(suffix):
        formats.suffix_of(target)
        return True
    return False


def check_output(
    inputs: Sequence[Path],
    target: Path,
    format: str,
    *,
    guessed: bool,
    first_frame: bool = False,
) -> None:
    """Check that an output fits its inputs, before anything is written.

    Args:
        inputs: pictures and folders.
        target: the output.
        format: a key of `formats.SUFFIXES`.
        guessed: whether it is the output only because it was named last: then it is no
            picture of the user's, as the last hit of a pattern (`*.jpg`) may be.
        first_frame: whether of an animation only that is written.

    Raises:
        UsageError: it does not fit.
    """
    for source in inputs:
        if not source.exists():
            raise UsageError(f"{source}: no such file or folder")
    named = is_file_name(target)
    if named and len(inputs) > 1:
        raise UsageError(
            f"{target}: one file for {len(inputs)} inputs; name a folder last"
        )
    if target.is_file() and (inputs[0].is_dir() or not named):
        raise UsageError(f"{target}: a file; name a folder last")
    if named and inputs[0].is_dir():
        raise UsageError(f"{target}: the name of a file; name a folder last")
    if named and formats.is_film(inputs[0].name) != formats.is_film(target.name):
        raise UsageError(
            f"{inputs[0]} and {target}: a film becomes a film, and a picture a picture"
        )
    if named and format != "keep":
        raise UsageError("--format goes with a folder; the output has a name")
    if named and guessed and target.exists() and not _replaceable(target):
        raise UsageError(
            f"{target}: a picture there already that does not say it is colorize's; "
            f"name a folder last; -o {target} --overwrite replaces it"
        )
    _check_names(inputs, target, _names(inputs, format, first_frame))


def _replaceable(path: Path) -> bool:
    """Return whether a file is empty, or says that this program has made it."""
    try:
        empty = path.stat().st_size == 0
    except OSError:
        return False
    return empty or reading.made_with(path) is not None


def _check_names(inputs: Sequence[Path], target: Path, names: Sequence[str]) -> None:
    """Raise UsageError where two inputs would share an output."""
    taken: dict[str, Path] = {}
    for source, name in zip(inputs, names, strict=True):
        other = taken.setdefault(name.casefold(), source)
        if other is not source:
            if other.resolve() == source.resolve():
                raise UsageError(f"{source}: named twice")
            raise UsageError(
                f"{other} and {source} would both become {target / name}; colour them "
                "into two folders"
            )


def _names(inputs: Sequence[Path], format: str, first_frame: bool) -> list[str]:
    """Return what becomes of each input in the output folder.

    A picture becomes a file, and one of several folders a folder of its name; the tree
    of a single folder is mirrored without one.
    """
    if len(inputs) == 1 and inputs[0].is_dir():
        return [""]
    names: dict[Path, list[str]] = collections.defaultdict(list)
    for source in inputs:
        if not source.is_dir():
            names[source.parent].append(source.name)
    copies = {
        folder / name: copy
        for folder, group in names.items()
        for name, copy in zip(
            group,
            finding.output_names(
                group, formats.SUFFIXES[format], folder, animated=not first_frame
            ),
            strict=True,
        )
    }
    return [
        source.resolve().name if source.is_dir() else copies[source]
        for source in inputs
    ]


def count(
    inputs: Sequence[Path],
    target: Path,
    shard: tuple[int, int] = (1, 1),
    passed_over: Counter[str] | None = None,
) -> int:
    """Count the pictures that are to be colored.

    Args:
        inputs: pictures and folders.
        target: where the copies go.
        shard: (i, n) for the i-th of n parts of the pictures, from 1.
        passed_over: counts, by suffix, what is in the folders and not taken.

    Raises:
        UsageError: the output is an input, or holds one.
        ColorizeError: there are no pictures in an input.
    """
    return sum(
        finding.count_pictures(source, target, shard, passed_over) for source in inputs
    )


def plan(
    inputs: Sequence[Path],
    target: Path,
    format: str = "keep",
    shard: tuple[int, int] = (1, 1),
    *,
    first_frame: bool = False,
) -> Iterator[Job]:
    """Pair inputs with outputs, folder by folder.

    Args:
        inputs: pictures and folders.
        target: the folder for the coloured copies, with the same tree; or, for a
            single picture, a file name with a picture's suffix.
        format: a key of `formats.SUFFIXES`.
        shard: (i, n) for the i-th of n parts of the pictures, from 1.
        first_frame: whether of an animation only that is written.

    Yields:
        Job for each picture, in order; a failed one for each folder that cannot be
        read.
    """
    if len(inputs) == 1 and not inputs[0].is_dir() and is_file_name(target):
        yield Job(inputs[0].name, inputs[0], target)
        return
    names = _names(inputs, format, first_frame)
    for source, name in zip(inputs, names, strict=True):
        if source.is_dir():
            yield from _plan_folder(source, name, target, format, shard, first_frame)
        elif files.in_shard(source.name, shard):
            yield Job(source.name, source, target / name)


def _plan_folder(
    folder: Path,
    name: str,
    target: Path,
    format: str,
    shard: tuple[int, int],
    first_frame: bool,
) -> Iterator[Job]:
    """Plan the pictures of a folder, which becomes `target / name`."""
    unreadable: list[tuple[str, str]] = []
    pictures = finding.find_pictures(
        folder, leave_out=target, unreadable=unreadable, films=True
    )
    for _, group in itertools.groupby(pictures, os.path.dirname):
        inputs = list(group)
        copies = finding.output_names(
            inputs, formats.SUFFIXES[format], folder, animated=not first_frame
        )
        for picture, copy in zip(inputs, copies, strict=True):
            if files.in_shard(picture, shard):
                shown = f"{name}/{picture}" if name else picture
                yield Job(shown, folder / picture, target / name / copy)
    for picture, reason in unreadable:
        shown = f"{name}/{picture}" if name else picture
        output = target / name / picture
        yield Job(shown, folder / picture, output, "failed", reason)


def several(jobs: Iterator[Job], variants: int) -> Iterator[Job]:
    """Make of each job one for each colouring, `a.jpg` becoming `a.1.jpg` and so on.

    Args:
        jobs: from `plan`.
        variants: how many; 0 for the jobs as they are.

    Yields:
        The jobs; one that has failed already only once.
    """
    for job in jobs:
        if not (variants and job.planned):
            yield job
            continue
        for number in range(1, variants + 1):
            stem = job.output.stem.removesuffix(finding.COPY)
            ending = job.output.name.removeprefix(stem)
            name = f"{stem}.{number}{ending}"
            yield replace(job, output=job.output.with_name(name), variant=number)
