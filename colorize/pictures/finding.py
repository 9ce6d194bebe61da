"""Picture files found below a folder, in order, and the names of their copies.

Of a file whose name does not tell its format, the first bytes are looked at; nothing
is decoded.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from colorize import files
from colorize.errors import ColorizeError, UsageError
from colorize.pictures import formats, frame_counts
from colorize.pictures.formats import Format

_AVIF_HEAD = 1 << 16  # bytes within which an AVIF file says how deep it is
NO_SUFFIX = "no suffix"  # in counts by suffix
HINTS = ".hints"  # the stem of painted hints ends so
COPIES = "folders of colorize's copies"  # the same
_ENDLESS = "pipes and devices"  # the same
# A file in folders that hold coloured copies, and what the names of those beside their
# originals end in: neither is a picture to color, or to learn from. Marking folders
# takes no look into each file, and serves copies that do not say how they were made.
MARKER = ".colorized"
COPY = ".colorized"
_MARKER_TEXT = """\
The pictures in this folder were coloured by colorize, so `colorize predict` and
`colorize train` pass over it where they find it in another folder. Delete this file
to have it looked into.
"""
_RUNTIME = "Coloured by: "


def find_pictures(
    folder: Path,
    *,
    leave_out: Path | None = None,
    unreadable: list[tuple[str, str]] | None = None,
    passed_over: Counter[str] | None = None,
    films: bool = False,
) -> Iterator[str]:
    """Yield the pictures below a folder, folder by folder, each sorted by name.

    A folder's own pictures come before those of the folders in it. A file is a picture
    by its suffix, and without one by its first bytes. Hidden files and folders are
    passed over, as are this program's copies: folders with a marker in them, but for
    the one named, and files called `a.colorized.jpg`. So are painted hints
    (`a.hints.png`). Links are followed, but a link back to a folder above it is not.
    Memory grows with the largest single folder only.

    Args:
        folder: where to look; a single file yields its own name.
        leave_out: a folder not to enter, such as the output inside the input.
        unreadable: gets the name of each folder in it that cannot be read, and why;
            None to make that an error.
        passed_over: counts, by suffix, the files that are not taken and could be
            pictures: those of formats that are not read, those whose content is a
            picture's and whose name is not, and copies; None to save looking.
        films: whether to take films, too.

    Yields:
        Paths relative to `folder`, with `/` between their parts.

    Raises:
        UsageError: the folder does not exist.
        ColorizeError: it cannot be read, or without `unreadable` one in it.
    """
    if folder.is_file():
        yield folder.name
        return
    if not folder.exists():
        raise UsageError(f"{folder}: no such file or folder")
    leave_out = leave_out and leave_out.resolve()
    yield from _Walk(leave_out, unreadable, passed_over, films).below(folder, "", ())


class _Walk:
    """A walk through folders; its attributes are arguments of `find_pictures`."""

    def __init__(
        self,
        leave_out: Path | None,
        unreadable: list[tuple[str, str]] | None,
        passed_over: Counter[str] | None,
        films: bool,
    ) -> None:
        self._films = films
        self._leave_out = leave_out
        self._unreadable = unreadable
        self._passed_over = passed_over

    def below(
        self, folder: Path, prefix: str, above: tuple[Path, ...]
    ) -> Iterator[str]:
        real = folder.resolve()
        if real == self._leave_out or real in above:
            return
        try:
            with os.scandir(folder) as entries:
                listing = sorted(
                    (entry.name, _is_folder(entry))
                    for entry in entries
                    if not self._is_endless(entry)
                )
        except OSError as e:
            if self._unreadable is None or not prefix:
                raise ColorizeError(f"{folder}: cannot be read: {e.strerror}") from e
            self._unreadable.append((prefix, f"cannot be read: {e.strerror}"))
            return
        if prefix and (MARKER, False) in listing:
            self._pass_over(COPIES)
            return
        for name, is_folder in listing:
            if not is_folder and self._takes(folder / name):
                yield prefix + name
        for name, is_folder in listing:
            if is_folder and not name.startswith("."):
                yield from self.below(folder / name, f"{prefix}{name}/", (*above, real))

    def _takes(self, path: Path) -> bool:
        """Return whether a file is taken; count it where it could have been."""
        if path.name.startswith("."):
            return False
        suffix = path.suffix.lower()
        if formats.by_suffix(suffix):
            for ending in (COPY, HINTS):
                if path.stem.endswith(ending):
                    self._pass_over(ending + suffix)
                    return False
            return True
        if formats.is_film(path.name):
            copy = path.stem.endswith(COPY)
            if copy or not self._films:
                self._pass_over(COPY + suffix if copy else suffix)
            return self._films and not copy
        if suffix and self._passed_over is None:
            return False
        head = b"" if formats.unsupported_by_suffix(suffix) else _head(path)
        format = formats.by_content(head)
        if format and not suffix:
            return True
        if (
            format
            or formats.unsupported_by_suffix(suffix)
            or formats.unsupported_by_content(head)
        ):
            self._pass_over(suffix or NO_SUFFIX)
        return False

    def _is_endless(self, entry: os.DirEntry[str]) -> bool:
        """Return whether it is a pipe, a socket or a device; count it, if so."""
        try:
            if entry.is_file(follow_symlinks=False) or entry.is_dir():
                return False
            mode = entry.stat().st_mode
        except OSError:  # a link to nowhere, or to itself
            return False
        if stat.S_ISREG(mode):
            return False
        self._pass_over(_ENDLESS)
        return True

    def _pass_over(self, kind: str) -> None:
        if self._passed_over is not None:
            self._passed_over[kind] += 1


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _head(path: Path, size: int = formats.HEAD) -> bytes:
    """Return the first bytes of a file; b"" of what cannot be read, or is a device."""
    try:
        if not path.is_file():
            return b""
        with open(path, "rb") as file:
            return file.read(size)
    except OSError:
        return b""


def count_pictures(
    source: Path,
    target: Path | None = None,
    shard: tuple[int, int] = (1, 1),
    passed_over: Counter[str] | None = None,
) -> int:
    """Count what there is to do, and check that it is safe.

    Args:
        source: a folder, or a single picture.
        target: where the results go; with one, films count, too.
        shard: which part of the pictures to count, of those that `in_shard` tells of.
        passed_over: as of `find_pictures`.

    Raises:
        UsageError: there is no such source, or the target is the source.
        ColorizeError: there are no pictures.
    """
    if target is not None and target.resolve() in (
        source.resolve(),
        source.resolve().parent if source.is_file() else source.resolve(),
    ):
        raise UsageError(f"{target}: the output is the input; name another folder")
    if target is not None and target.resolve() in source.resolve().parents:
        if source.is_dir():
            raise UsageError(
                f"{target}: the output holds the input, and might replace it; name "
                "another folder"
            )
    total = 0
    count = 0
    for name in find_pictures(
        source,
        leave_out=target,
        unreadable=[],
        passed_over=passed_over,
        films=target is not None,
    ):
        total += 1
        count += files.in_shard(name, shard)
    if not total:
        raise ColorizeError(f"{source}: no pictures in it")
    return count


def mark_as_copies(folder: Path, runtime: str) -> None:
    """Have `find_pictures` pass over a folder, unless there are others' pictures in it.

    Args:
        folder: of the copies.
        runtime: what colours them, to be noted.

    Raises:
        ColorizeError: it cannot be read.
    """
    marker = folder / MARKER
    if not marker.exists() and not any(find_pictures(folder, unreadable=[])):
        marker.write_text(f"{_MARKER_TEXT}{_RUNTIME}{runtime}\n", encoding="utf-8")


def noted_runtime(folder: Path) -> str:
    """Return what coloured the copies in a folder; "" where nothing says so."""
    try:
        text = (folder / MARKER).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    return text.partition(_RUNTIME)[2].strip()


def output_names(
    names: Sequence[str],
    suffix: str,
    folder: Path | None = None,
    *,
    animated: bool = False,
) -> list[str]:
    """Return the names of the copies of one folder's pictures.

    A copy is named as its original, and where the format changes by its suffix too:
    `photo.tif` as PNG is `photo.tif.png`. So a name never depends on what else is in
    the folder, now or later, but where two differ in case only, or where an original
    has no suffix.

    Args:
        names: of pictures in one folder, in order.
        suffix: of the copies, such as `.png`; empty to keep that of each picture,
            unless its format is not written: then it becomes `.png`.
        folder: what the names are relative to, to look into those files whose name
            does not tell what they become; None to go by the name alone.
        animated: whether animations stay that: a GIF becomes WebP then.
    """
    taken: set[str] = set()
    outputs: dict[str, str] = {}
    # Those without a suffix come last: `a` must not take the name of `a.jpg`.
    for name in sorted(names, key=lambda name: _format_by_name(name) is None):
        extension = os.path.splitext(name)[1]
        film = formats.is_film(name)
        wanted = extension if film else suffix
        wanted = wanted or _suffix_kept(name, folder, animated)
        same = formats.canonical(extension) == formats.canonical(wanted)
        output = name if same else name + wanted
        while output.casefold() in taken:
            output += wanted
        taken.add(output.casefold())
        outputs[name] = output
    return [outputs[name] for name in names]


def _format_by_name(name: str) -> Format | None:
    return formats.by_suffix(os.path.splitext(name)[1])


def _suffix_kept(name: str, folder: Path | None, animated: bool) -> str:
    """Return the suffix of a copy for which no format was asked."""
    format, bits = _format_by_name(name), 8
    if folder is not None and format in (None, formats.AVIF):
        head = _head(files.picture_path(folder, name), _AVIF_HEAD)
        format = format or formats.by_content(head)
        bits = 16 if b"av1C" in head and _is_deep(head) else 8
    extension = os.path.splitext(name)[1]
    if folder is not None and format is formats.GIF and animated:
        if frame_counts.is_animated(files.picture_path(folder, name)):
            return formats.WEBP.suffix
    becomes = formats.kept(format or formats.PNG, bits)
    return (
        extension if becomes.suffix == formats.canonical(extension) else becomes.suffix
    )


def _is_deep(avif: bytes) -> bool:
    """Return whether an AVIF file has more than 8 bits, by AV1's configuration box."""
    place = avif.index(b"av1C")
    return bool(avif[place + 6 : place + 7] and avif[place + 6] & 0x40)
