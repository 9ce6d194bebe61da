"""What stays on disk of a visit: its photos, and what was chosen for each.

A visit's folder is called by a digest of the secret that its browser has: who reads the
folder cannot become that browser. Of each photo there is the upload and `ID.json`,
beside whatever else is made of it, which can be made again. What belongs to a note that
cannot be read, such as one of a later version, is left as it is.
"""

import contextlib
import hashlib
import json
import math
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from colorize import files
from colorize.errors import ColorizeError
from colorize.page.framing import Frame, checked_points
from colorize.page.photos import Chosen, Photo
from colorize.pictures.reading import Box

AWAY = 300.0  # seconds of silence after which a page is taken for closed; browsers let
# one in the background speak once a minute only
# Fields of a photo and of what is chosen for its colours, as they stand in a note.
_OF_PHOTO: dict[str, Any] = {
    "name": str,
    "folder": str,
    "saturation": float,
    "warmth": float,
    "anyway": bool,
}
_CHOSEN: dict[str, Any] = {
    "size": int | None,
    "colouring": int,
    "frame": list,
    "reference_name": str,
}
_VERSION = 1
_ID = re.compile(r"[0-9a-f]{16}")
_OWNER = re.compile(r"\.?([0-9a-f]{16})(?![0-9a-f])")  # also of a file half written
# What comes of notes that are damaged, or that another version wrote.
_UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    RecursionError,
)


def data_folder() -> Path:
    """Return where this system wants a program to keep what is its user's."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "colorize" / "page"


def opened(folder: Path) -> Path:
    """Make a folder that nobody else can read, if need be, and return it.

    Raises:
        ColorizeError: it cannot be had.
    """
    files.make_folder(folder)
    try:
        folder.chmod(0o700)
    except OSError as e:
        raise ColorizeError(f"{folder}: cannot be made private: {e.strerror}") from e
    return folder


def folder_of(token: str, root: Path) -> Path:
    """Return the folder of the visit with a secret."""
    return root / hashlib.sha256(token.encode()).hexdigest()[:32]


def note(photo: Photo) -> None:
    """Write what is chosen for a photo beside its upload.

    Raises:
        OSError: it cannot be written.
    """
    chosen = photo.chosen
    content = {name: getattr(photo, name) for name in _OF_PHOTO}
    content |= {name: getattr(chosen, name) for name in _CHOSEN}
    # The first are for versions that kept hints by their places in the frame.
    content["points"] = list(chosen.shown_points)
    content["whole_points"] = list(chosen.points)
    content["reference"] = chosen.reference and chosen.reference.name
    content |= {"version": _VERSION, "added": photo.added, "file": photo.upload.name}
    with files.atomic(photo.upload.with_name(f"{photo.id}.json")) as part:
        part.write_text(json.dumps(content), encoding="utf-8")


def photos_in(folder: Path) -> tuple[list[Photo], int]:
    """Return the photos of a visit, and how many notes cannot be read.

    Photos come in the order of their uploads, to be coloured anew. All else that is of
    photos is deleted, but for what belongs to notes that cannot be read.
    """
    photos, unreadable = [], set()
    for path in folder.glob("*.json"):
        if not _ID.fullmatch(path.stem):
            continue
        try:
            photo = _photo(path)
        except _UNREADABLE:
            unreadable.add(path.stem)
            continue
        if photo is not None:
            photos.append(photo)
    staying = {path.name for photo in photos for path in _files(photo)}
    _sweep(folder, unreadable, staying)
    return sorted(photos, key=lambda photo: photo.added), len(unreadable)


def vacate(folder: Path) -> None:
    """Delete what no note is about, and the folder if nothing is left in it."""
    noted = {path.stem for path in folder.glob("*.json")}
    with contextlib.suppress(FileNotFoundError):  # another command was faster
        _sweep(folder, noted)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _sweep(folder: Path, ids: set[str], names: set[str] | None = None) -> None:
    """Delete all files of photos but those of some ids, and those of some names."""
    for path in list(folder.iterdir()):
        owner = _OWNER.match(path.name)
        if owner and owner[1] not in ids and path.name not in (names or ()):
            _discard(path)


def _photo(path: Path) -> Photo | None:
    """Return the photo that a note is about; None where its upload is not there.

    Raises:
        OSError: the note cannot be read.
        ValueError, LookupError, TypeError, ArithmeticError, RecursionError: it is not
            one that this version writes.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["version"] != _VERSION:
        raise ValueError(f"version {content['version']}")
    chosen = {name: _field(content, name, kind) for name, kind in _CHOSEN.items()}
    turned, box = chosen["frame"]
    frame = Frame(_whole(turned), box and _box(box))
    if "whole_points" in content:
        points = checked_points(content["whole_points"])
    else:  # of a version that kept none outside the frame
        points = frame.in_whole(checked_points(content["points"]))
    name = content["reference"]
    reference = _beside(path, name) if name else None
    chosen |= {"frame": frame, "points": points}
    chosen["reference"] = reference if reference and reference.is_file() else None
    photo = Photo(
        id=path.stem,
        upload=_beside(path, content["file"]),
        added=_field(content, "added", float),
        chosen=Chosen(**chosen),
        **{name: _field(content, name, kind) for name, kind in _OF_PHOTO.items()},
    )
    return photo if photo.upload.is_file() else None


def _field(content: dict[str, Any], name: str, kind: Any) -> Any:
    """Return a field of a note; raises where it is of another kind."""
    value = content[name]
    if kind is float and type(value) is int:
        value = float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{name} is {value!r}")
    if kind is float and not math.isfinite(value):
        raise ValueError(f"{name} is {value}")
    return value


def _whole(turned: Any) -> int:
    if type(turned) is not int or turned not in range(4):
        raise ValueError(f"turned is {turned!r}")
    return turned


def _box(value: Any) -> Box:
    left, top, right, bottom = value
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ValueError(f"box is {value}")
    return left, top, right, bottom


def _beside(note: Path, name: str) -> Path:
    """Return the path of a photo's file that its note names, whatever its suffix."""
    if not re.fullmatch(rf"{note.stem}[^/\\:\0]*", name):
        raise ValueError(f"{name} is no file of this photo")
    return note.with_name(name)


def _files(photo: Photo) -> set[Path]:
    """Return what is to stay of a photo."""
    files_of = {photo.upload, photo.upload.with_name(f"{photo.id}.json")}
    if photo.is_film:  # what takes hours is not made again
        files_of.add(photo.film_folder)
    reference = photo.chosen.reference
    return files_of | ({reference} if reference else set())


def clean(photo: Photo) -> None:
    """Delete what can be made again of a photo."""
    staying = _files(photo)
    for path in photo.upload.parent.glob(f"{photo.id}*"):
        if path not in staying:
            _discard(path)


def _discard(path: Path) -> None:
    if path.is_dir():
        files.discard_folder(path)
    else:
        files.discard(path)


def touch(folder: Path) -> None:
    """Say, to other commands too, that a visit's page is open now."""
    now = time.time()
    if now - folder.stat().st_mtime > AWAY / 10:
        os.utime(folder)


def unused(root: Path) -> list[Path]:
    """Return the folders of visits whose page is not open, longest ago first."""
    ages = []
    for folder in root.iterdir():
        if folder.is_dir():
            ages.append((folder.stat().st_mtime, folder))
    return [folder for last, folder in sorted(ages) if time.time() - last > AWAY]


def bytes_in(root: Path) -> int:
    """Return how much lies in a folder and its folders."""
    total = 0
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_size
            except FileNotFoundError:  # meanwhile
                continue
    return total


def count(folder: Path) -> int:
    """Return how many photos are kept in a folder and its folders."""
    return sum(1 for path in folder.rglob("*.json") if _ID.fullmatch(path.stem))


def forget(root: Path) -> int:
    """Delete all visits, and return how many photos they had.

    Raises:
        ColorizeError: something cannot be deleted.
    """
    photos = count(root)
    files.discard_folder(root)
    if root.exists():
        raise ColorizeError(f"{root}: cannot be deleted entirely; delete it by hand")
    return photos
