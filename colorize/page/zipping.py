"""The ZIP file of a page's copies, sent piece by piece while they are written."""

import json
import time
import zipfile
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

from starlette.responses import StreamingResponse

from colorize import files
from colorize.page import photos as naming
from colorize.page.photos import Photo
from colorize.page.worker import Worker

_BLOCK = 2**20  # bytes that are sent at once


def pieces(
    worker: Worker,
    photos: Sequence[Photo],
    count: Callable[[int], None],
    *,
    with_report: bool,
) -> Generator[bytes]:
    """Yield a ZIP file of all photos that are ready, as each copy is written.

    Args:
        worker: what writes them.
        photos: those of a page, also such as are not ready.
        count: called after each copy with how many are written, or failed to be.
        with_report: whether a report of all photos is in it.
    """
    sink = _Sink()
    lines: list[str] = []
    written = 0
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for photo, name in zip(photos, naming.copy_names(photos), strict=True):
            if photo.state != "ready":
                lines.append(_line(worker.report(photo), photo.name, ""))
                continue
            done = worker.write_copy(photo)
            written += 1
            count(written)
            if done.outcome == "failed":
                lines.append(_line(done, photo.name, ""))
                continue
            lines.append(_line(done, photo.name, name))
            yield from _member(archive, name, done.output, sink)
        if with_report:
            archive.writestr(_entry("report.jsonl"), "".join(lines))
    yield sink.take()


class Sent(StreamingResponse):
    """What a generator yields, which is closed at once where the download breaks off.

    Left to the collection of garbage, it would keep its files for as long as it likes.
    """

    def __init__(self, pieces: Generator[bytes], **options: Any) -> None:
        super().__init__(pieces, **options)
        self._pieces = pieces

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._pieces.close()


def _entry(name: str) -> zipfile.ZipInfo:
    """Return what a ZIP file says of a file of now, for its owner to change."""
    entry = zipfile.ZipInfo(name, time.localtime()[:6])
    entry.external_attr = 0o644 << 16
    return entry


def _member(
    archive: zipfile.ZipFile, name: str, path: Path, sink: "_Sink"
) -> Generator[bytes]:
    """Move a file into a ZIP file; yield what that adds to it."""
    try:
        with (
            open(path, "rb") as file,
            archive.open(_entry(name), "w", force_zip64=True) as member,
        ):
            while block := file.read(_BLOCK):
                member.write(block)
                yield sink.take()
    finally:
        files.discard(path)
    yield sink.take()


class _Sink:
    """A file that is only written to, whose content is taken away as it grows."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        """Add to it."""
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: it is taken, not sent."""

    def close(self) -> None:
        """Do nothing: what is in it is still to be taken."""

    def take(self) -> bytes:
        """Return what was written since last asked."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def _line(done: Any, name: str, output: str) -> str:
    """Return a line of a report, which names no file of this computer."""
    shown = {"name": name, "input": name, "output": output, "fault": ""}
    return json.dumps(done.as_json() | shown) + "\n"
