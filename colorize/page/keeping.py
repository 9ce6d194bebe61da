"""What stays on disk of a visit: its photos, and what was chosen for each.

A visit's folder is called by a digest of the secret that its browser has: who reads the
folder cannot become that browser. Of each photo there is the upload and `ID.json`,
beside whatever else is made of it, which can be made again.
"""

import hashlib
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from colorize import files
from colorize.errors import ColorizeError
from colorize.page.photos import Chosen, Frame, Photo, safe_suffix

AWAY = 300.0  # seconds of silence after which a page is taken for closed; browsers let
# one in the background speak once a minute only
# Fields of a photo and of what is chosen for its colours, as they stand in a note.
_OF_PHOTO = ("name", "folder", "saturation", "warmth", "anyway")
_CHOSEN = ("size", "points", "colouring", "frame", "reference_name")
_VERSION = 1
_ID = re.compile(r"[0-9a-f]{16}")


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
    content["reference"] = chosen.reference and chosen.reference.name
    content |= {"version": _VERSION, "added": photo.added, "file": photo.upload.name}
    with files.atomic(photo.upload.with_name(f"{photo.id}.json")) as part:
        part.write_text(json.dumps(content), encoding="utf-8")


def photos_in(folder: Path) -> list[Photo]:
    """Return the photos of a visit in the order of their uploads, to be coloured anew.

    All else that lies in its folder is deleted.
    """
    photos = []
    for path in folder.glob("*.json"):
        photo = _photo(path)
        if photo is not None:
            photos.append(photo)
    staying = {path.name for photo in photos for path in _files(photo)}
    for path in list(folder.iterdir()):
        if path.name not in staying:
            _discard(path)
    return sorted(photos, key=lambda photo: photo.added)


def _photo(path: Path) -> Photo | None:
    """Return the photo that a note is about; None where it cannot be understood."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != _VERSION or not _ID.fullmatch(path.stem):
            return None
        upload = path.with_suffix(safe_suffix(content["file"]))
        fields: dict[str, Any] = {name: content[name] for name in _CHOSEN}
        turned, box = fields["frame"]
        fields["frame"] = Frame(turned, box and tuple(box))
        fields["reference"] = _reference(path, content["reference"])
        photo = Photo(
            id=path.stem,
            upload=upload,
            added=float(content["added"]),
            chosen=Chosen(**fields),
            **{name: content[name] for name in _OF_PHOTO},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return photo if upload.is_file() else None


def _reference(note: Path, name: str | None) -> Path | None:
    """Return the file of a photo's reference, which its note names."""
    if not name or not re.fullmatch(rf"{note.stem}[0-9a-z.-]+", name):
        return None
    path = note.with_name(name)
    return path if path.is_file() else None


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
