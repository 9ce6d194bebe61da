"""Photos that come: uploaded, or cut out of the page of an album."""

import os
import shutil

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from colorize import files
from colorize.errors import ColorizeError
from colorize.page import parsing
from colorize.page import photos as naming
from colorize.page.answering import Answers, Limits, unkept
from colorize.page.photos import Photo
from colorize.page.sessions import Session

_BLOCK = 2**20  # bytes that are written at once
_SPARE = 10**9  # bytes of disk that uploads leave free


class Additions(Answers):
    """Adds photos to a page, where there is room."""

    async def upload(self, request: Request) -> Response:
        """Take a photo: the body is the file, the query has its name and size.

        And the folder that it was dropped with, if any.
        """
        session = await self._session(request)
        name, dropped_with = (
            request.query_params.get(key, "") for key in ("name", "folder")
        )
        if len(session.photos) + session.uploading >= self.limits.photos:
            raise HTTPException(429, self._too_many())
        declared = _declared_size(request)
        photo = naming.new_photo(name, session.folder, dropped_with)
        gone = 0
        if declared > self.limits.bytes:
            photo.fail(_too_large(self.limits))
        else:
            reason, gone = await run_in_threadpool(self._room_for, declared)
            if reason:
                photo.fail(reason)
        if photo.state == "queued":
            session.uploading += 1
            try:
                with self.sessions.using(session):
                    await receive(request, session, photo, self.limits)
            finally:
                session.uploading -= 1
        if session.closed:
            raise HTTPException(410, "This page was closed.")
        session.photos[photo.id] = photo
        if photo.state == "queued":
            await self._note(photo)
            self.worker.put(photo)
        return JSONResponse({**self._state_of(photo), "gone": gone})

    async def album(self, request: Request) -> Response:
        """Say where photos lie apart on the page of an album, which is shown whole."""
        _, photo = await self._still(request)
        try:
            boxes = await run_in_threadpool(self.worker.album, photo)
        except ColorizeError as e:
            raise HTTPException(409, str(e)) from e
        return JSONResponse({"boxes": boxes})

    async def split(self, request: Request) -> Response:
        """Make each of several parts of a photo a photo of its own."""
        session, photo = await self._still(request)
        changes = await parsing.short_json(request, parsing.LONG)
        boxes = changes.get("boxes")
        if not isinstance(boxes, list) or not boxes:
            raise HTTPException(400, "boxes must be a list")
        parts = [parsing.box(box) for box in boxes]
        if len(session.photos) + len(parts) > self.limits.photos:
            raise HTTPException(429, self._too_many())
        size = await run_in_threadpool(_size_of, photo)
        reason, _ = await run_in_threadpool(self._room_for, size * len(parts))
        if reason:
            raise HTTPException(507, reason)
        made = []
        with self.sessions.using(session):
            for number, box in enumerate(parts, start=1):
                try:
                    part = await run_in_threadpool(naming.part_of, photo, box, number)
                except OSError as e:
                    raise unkept(e) from e
                session.photos[part.id] = part
                await self._note(part)
                self.worker.put(part)
                made.append(part)
        return JSONResponse({"photos": [self._state_of(part) for part in made]})

    def _room_for(self, size: int) -> tuple[str, int]:
        """Return why there is no room for a file, and how many photos had to go."""
        if size + _SPARE > shutil.disk_usage(self.sessions.folder).free:
            return "no room for it on the disk of the computer", 0
        room, gone = self.sessions.room_for(size)
        most = f"{self.sessions.most_bytes / 1e9:g} GB"
        reason = f"no room: {most} are in use (--keep-gb); download and remove some"
        return "" if room else reason, gone

    def _too_many(self) -> str:
        most = self.limits.photos
        return f"at most {most} photos at a time; download and remove some"


async def receive(
    request: Request, session: Session, photo: Photo, limits: Limits
) -> None:
    """Write the body of a request into a photo's file, as far as it may."""
    whole = False
    received, waiting = 0, bytearray()
    try:
        with open(photo.upload, "xb", opener=_private) as file:
            async for chunk in request.stream():
                received += len(chunk)
                waiting += chunk
                if session.closed:
                    raise HTTPException(410, "This page was closed.")
                if received > limits.bytes:
                    photo.fail(_too_large(limits))
                    return
                if len(waiting) >= _BLOCK:
                    await run_in_threadpool(file.write, waiting)
                    waiting = bytearray()
            await run_in_threadpool(file.write, waiting)
        whole = True
    except ClientDisconnect as e:
        raise HTTPException(400, "The upload was broken off.") from e
    except OSError as e:
        photo.fail(f"could not be kept on the computer: {e.strerror}")
    finally:
        if not whole:
            files.discard(photo.upload)


def _size_of(photo: Photo) -> int:
    """Return how much of disk a part of a photo takes, in bytes."""
    paths = (photo.upload, photo.chosen.reference)
    return sum(path.stat().st_size for path in paths if path and path.exists())


def _declared_size(request: Request) -> int:
    """Return how large a file is by what a request says of it, in bytes."""
    sizes = (
        request.query_params.get("size", ""),
        request.headers.get("content-length", ""),
    )
    return max(
        int(size) if size.isascii() and size.isdigit() and len(size) < 20 else 0
        for size in sizes
    )


def _too_large(limits: Limits) -> str:
    return f"larger than the {limits.bytes / 1e6:g} MB allowed"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
