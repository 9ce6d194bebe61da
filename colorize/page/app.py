"""What the page asks for, over HTTP.

Names of uploaded files come in as data and go out as data; on disk everything is called
by random tokens.
"""

import asyncio
import contextlib
import dataclasses
import mimetypes
import os
import shutil
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    Response,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from colorize import files, references
from colorize import hints as hinting
from colorize.errors import ColorizeError
from colorize.page import parsing, zipping
from colorize.page import photos as naming
from colorize.page.photos import Photo
from colorize.page.sessions import Sending, Session, Sessions
from colorize.page.worker import COLOURINGS, SATURATIONS, SIZES, WARMTHS, Worker
from colorize.pictures import formats

_BLOCK = 2**20  # bytes that are written at once
_SPARE = 10**9  # bytes of disk that uploads leave free
_HINTS = 100_000  # bytes of a request that tells colours
_MOST_POINTS = 500
_PATIENCE = 20.0  # seconds that the answer to one that colours may take
_SWEEP = 5.0  # seconds between looks for pages that have gone
# Browsers run a script by this type alone, and Windows may have another for it.
mimetypes.add_type("text/javascript", ".js")


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one page may upload.

    Attributes:
        photos: at a time.
        bytes: of each.
    """

    photos: int = 200
    bytes: int = 500_000_000


def build(worker: Worker, sessions: Sessions, limits: Limits) -> Starlette:
    """Return the application, without its guard."""
    page = _Page(worker, sessions, limits)
    session = "/api/sessions/{token}"
    photo = f"{session}/photos/{{id}}"
    static = StaticFiles(packages=[("colorize.page", "static")], html=True)
    routes = [
        Route("/api/sessions", page.open, methods=["POST"]),
        Route(session, page.state),
        Route(f"{session}/close", page.close, methods=["POST"]),
        Route(f"{session}/photos", page.upload, methods=["POST"]),
        Route(f"{session}/photos.zip", page.download_all),
        Route(f"{session}/remove", page.remove_all, methods=["POST"]),
        Route(f"{photo}/settings", page.change, methods=["POST"]),
        Route(f"{photo}/hints", page.tell, methods=["POST"]),
        Route(f"{photo}/hints", page.hints_file),
        Route(f"{photo}/likely", page.likely),
        Route(f"{photo}/reference", page.refer, methods=["POST"]),
        Route(f"{photo}/reference", page.reference),
        Route(f"{photo}/frame", page.reframe, methods=["POST"]),
        Route(f"{photo}/album", page.album),
        Route(f"{photo}/split", page.split, methods=["POST"]),
        Route(f"{photo}/remove", page.remove, methods=["POST"]),
        Route(f"{photo}/preview", page.preview),
        Route(f"{photo}/thumbnail", page.thumbnail),
        Route(f"{photo}/part", page.part),
        Route(f"{photo}/player", page.player),
        Route(f"{photo}/copy", page.write_copy, methods=["POST"]),
        Route(f"{photo}/copy", page.download),
        Mount("/", static),
    ]

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep(sessions))
        yield
        sweeping.cancel()

    return Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={HTTPException: _explain},
    )


async def _explain(request: Request, error: Exception) -> Response:
    """Return an error as one sentence, which the page shows."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else "a fault"
    return JSONResponse({"error": detail}, status)


async def _sweep(sessions: Sessions) -> None:
    while True:
        await asyncio.sleep(_SWEEP)
        await run_in_threadpool(sessions.close_silent)


class _Page:
    """The answers."""

    def __init__(self, worker: Worker, sessions: Sessions, limits: Limits) -> None:
        self.worker = worker
        self.sessions = sessions
        self.limits = limits

    async def _session(self, request: Request) -> Session:
        token = request.path_params["token"]
        try:  # a whole folder may have to be read
            session = await run_in_threadpool(self.sessions.find, token)
        except ColorizeError as e:
            raise HTTPException(503, str(e)) from e
        if session is None:
            raise HTTPException(
                410,
                "This page was closed, or away for too long, or its photos were "
                "deleted. Reload it to begin anew.",
            )
        return session

    async def _photo(self, request: Request) -> tuple[Session, Photo]:
        session = await self._session(request)
        photo = session.photos.get(request.path_params["id"])
        if photo is None:
            raise HTTPException(404, "This photo was removed.")
        return session, photo

    async def _still(self, request: Request) -> tuple[Session, Photo]:
        """Return a photo that is no film."""
        session, photo = await self._photo(request)
        if photo.is_film:
            raise HTTPException(409, "This cannot be done with a film here.")
        return session, photo

    async def open(self, request: Request) -> Response:
        """Begin a session, or go on with the one of `?token=`, if it is there still."""
        token = request.query_params.get("token", "")
        try:
            before = await run_in_threadpool(self.sessions.find, token)
            session = before if before else await run_in_threadpool(self.sessions.new)
        except ColorizeError as e:
            raise HTTPException(503, str(e)) from e
        return JSONResponse(
            {
                "token": session.token,
                "returned": before is not None,
                "stays": self.sessions.stay,
                "most_photos": self.limits.photos,
                "most_bytes": self.limits.bytes,
                "sizes": SIZES,
                "saturations": SATURATIONS,
                "suffixes": formats.READ_SUFFIXES,
            }
        )

    async def close(self, request: Request) -> Response:
        """End the session of a page that is closed, unless its photos stay."""
        token = request.path_params["token"]
        session = await run_in_threadpool(self.sessions.find, token)
        if session is not None:
            await run_in_threadpool(self.sessions.close, session)
        return Response(status_code=204)

    async def state(self, request: Request) -> Response:
        """Say what is happening to each photo; to ask shows that the page is open."""
        session = await self._session(request)
        photos = [self._state_of(photo) for photo in list(session.photos.values())]
        return JSONResponse(
            {
                "loading": self.worker.size is None,
                "takes_hints": self.worker.takes_hints,
                "colourings": COLOURINGS if self.worker.suggests else 1,
                "photos": photos,
                "writing": session.progress,
            }
        )

    def _state_of(self, photo: Photo) -> dict[str, Any]:
        chosen, result = photo.chosen, photo.result or photo.film
        position, seconds = self.worker.waits(photo)
        return {
            "id": photo.id,
            "name": photo.name,
            "state": photo.state,
            "position": position,
            "seconds": seconds,
            "reason": photo.reason,
            "size": chosen.size or self.worker.size,
            "saturation": photo.saturation,
            "warmth": photo.warmth,
            "points": chosen.points,
            "colouring": chosen.colouring,
            "box": chosen.frame.box,
            "reference": chosen.reference_name if chosen.reference else "",
            "version": result.version if result else 0,
            "width": result.job.width if result else 0,
            "height": result.job.height if result else 0,
            "pages": result.job.pages if result else 0,
            "film": self._state_of_film(photo) if photo.is_film else None,
            "warnings": photo.warnings,
        }

    def _state_of_film(self, photo: Photo) -> dict[str, Any]:
        film, progress = photo.film, photo.progress
        return {
            "frames": progress.frames if progress else 0,
            "total": progress.total if progress else 0,
            "whole": film is not None and film.whole,
            "sounds": film is not None and film.sounds,
            "saturation": film.saturation if film else photo.saturation,
            "warmth": film.warmth if film else photo.warmth,
        }

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
        declared = [
            int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
            for text in (
                request.query_params.get("size", ""),
                request.headers.get("content-length", ""),
            )
        ]
        photo = naming.new_photo(name, session.folder, dropped_with)
        gone = 0
        if max(declared) > self.limits.bytes:
            photo.fail(self._too_large())
        else:
            reason, gone = await run_in_threadpool(self._room_for, max(declared))
            if reason:
                photo.fail(reason)
        if photo.state == "queued":
            session.uploading += 1
            try:
                with self.sessions.using(session):
                    await self._receive(request, session, photo)
            finally:
                session.uploading -= 1
        if session.closed:
            raise HTTPException(410, "This page was closed.")
        session.photos[photo.id] = photo
        if photo.state == "queued":
            await self._note(photo)
            self.worker.put(photo)
        return JSONResponse({**self._state_of(photo), "gone": gone})

    def _room_for(self, size: int) -> tuple[str, int]:
        """Return why there is no room for a file, and how many photos had to go."""
        if size + _SPARE > shutil.disk_usage(self.sessions.folder).free:
            return "no room for it on the disk of the computer", 0
        room, gone = self.sessions.room_for(size)
        most = f"{self.sessions.most_bytes / 1e9:g} GB"
        reason = f"no room: {most} are in use (--keep-gb); download and remove some"
        return "" if room else reason, gone

    async def _note(self, photo: Photo) -> None:
        """Write down what is chosen for a photo."""
        try:
            await run_in_threadpool(self.sessions.note, photo)
        except OSError as e:
            reason = "the disk is full" if files.is_full(e) else e.strerror
            raise HTTPException(507, f"This cannot be kept: {reason}.") from e

    def _too_many(self) -> str:
        most = self.limits.photos
        return f"at most {most} photos at a time; download and remove some"

    def _too_large(self) -> str:
        return f"larger than the {self.limits.bytes / 1e6:g} MB allowed"

    async def refer(self, request: Request) -> Response:
        """Take a colour picture whose colours a photo is to take: the body is its file.

        An empty body takes it away. Answer once the photo is coloured.
        """
        session, photo = await self._still(request)
        name = naming.shown_name(request.query_params.get("name", ""))
        if photo.result is None:
            raise HTTPException(409, "This photo is not coloured.")
        if not self.worker.suggests:
            raise HTTPException(409, "This network takes no colours of others.")
        # It arrives as a photo does, but becomes none.
        arriving = naming.new_photo(name, session.folder)
        path = arriving.upload = photo.reference_file(name)
        with self.sessions.using(session):
            await self._receive(request, session, arriving)
            if arriving.state == "failed":
                raise HTTPException(422, arriving.reason)
            there = path.stat().st_size > 0
            try:
                if there:
                    await run_in_threadpool(references.read, path)
            except ColorizeError as e:
                files.discard(path)
                raise HTTPException(422, str(e).replace(path.name, name)) from e
            if not there:
                files.discard(path)
            photo.chosen = dataclasses.replace(
                photo.chosen, reference=path if there else None, reference_name=name
            )
            self.worker.put(photo, first=True)
            await self._note(photo)
            await run_in_threadpool(self.worker.wait_for, photo, _PATIENCE)
        return JSONResponse(self._state_of(photo))

    async def reference(self, request: Request) -> Response:
        """Send the picture whose colours a photo takes."""
        _, photo = await self._photo(request)
        path = photo.chosen.reference
        if path is None or not path.exists():
            raise HTTPException(404, "This photo has no other beside it.")
        return FileResponse(path, media_type="application/octet-stream")

    async def _receive(self, request: Request, session: Session, photo: Photo) -> None:
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
                    if received > self.limits.bytes:
                        photo.fail(self._too_large())
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

    async def change(self, request: Request) -> Response:
        """Set the saturation or warmth of a photo, or its size, which colours it again.

        Or have it coloured `anyway`, though it is in colour. A film takes settings only
        where it is to be coloured `again`.
        """
        _, photo = await self._photo(request)
        changes = await parsing.short_json(request)
        if photo.is_film and changes.get("again") is not True:
            return JSONResponse(self._state_of(photo))
        saturation = parsing.number(
            changes, "saturation", *SATURATIONS, usual=photo.saturation
        )
        warmth = parsing.number(changes, "warmth", *WARMTHS, usual=photo.warmth)
        before, usual = photo.chosen.size, self.worker.size
        size = changes.get("size", before)
        if size not in (None, usual, before):
            parsing.whole_number(changes, "size", *SIZES, usual=0)
        photo.saturation, photo.warmth = saturation, warmth
        if changes.get("anyway") is True and not photo.anyway:
            photo.anyway = True
            if photo.state == "left":
                self.worker.put(photo, first=True)
        if photo.is_film:
            photo.chosen = dataclasses.replace(photo.chosen, size=size)
            self.worker.films.again(photo)
        elif (size or usual) != (before or usual) and photo.state != "failed":
            photo.chosen = dataclasses.replace(photo.chosen, size=size)
            self.worker.put(photo, first=True)
        await self._note(photo)
        return JSONResponse(self._state_of(photo))

    async def tell(self, request: Request) -> Response:
        """Set the hints of a photo and its colouring; answer once it is coloured."""
        _, photo = await self._still(request)
        changes = await parsing.short_json(request, _HINTS)
        points = changes.get("points", photo.chosen.points)
        colouring = parsing.whole_number(
            changes, "colouring", 0, COLOURINGS - 1, usual=photo.chosen.colouring
        )
        try:
            hints = hinting.of(points)
        except (TypeError, ValueError) as e:
            raise HTTPException(400, str(e)) from e
        if len(hints.points) > _MOST_POINTS:
            raise HTTPException(400, f"at most {_MOST_POINTS} colours at a time")
        if photo.state in ("failed", "left"):
            raise HTTPException(409, "This photo is not coloured.")
        if points and not self.worker.takes_hints:
            raise HTTPException(409, "This network cannot be told colours.")
        if colouring and not self.worker.suggests:
            raise HTTPException(409, "This network has one colouring only.")
        photo.chosen = dataclasses.replace(
            photo.chosen, points=points, colouring=colouring
        )
        self.worker.put(photo, first=True)
        await self._note(photo)
        await run_in_threadpool(self.worker.wait_for, photo, _PATIENCE)
        return JSONResponse(self._state_of(photo))

    async def reframe(self, request: Request) -> Response:
        """Turn a photo by quarters, clockwise, or choose the part of it that counts.

        `{"turn": 1}`, or `{"box": [left, top, right, bottom]}`, shares of the sides of
        the whole as it is turned; null for the whole. Answer once it is coloured.
        """
        _, photo = await self._still(request)
        changes = await parsing.short_json(request)
        if photo.result is None:
            raise HTTPException(409, "This photo is not coloured.")
        frame, points = photo.chosen.frame, photo.chosen.points
        turn = parsing.whole_number(changes, "turn", 0, 3, usual=0)
        for _ in range(turn):
            frame, points = frame.turned_further(), naming.turned_points(points)
        if "box" in changes:
            box = changes["box"] and parsing.box(changes["box"])
            if box and photo.result.job.pages > 1:
                raise HTTPException(409, "Of several pages no part can be taken.")
            points = naming.moved_points(points, frame.box, box)
            frame = frame._replace(box=box)
        photo.chosen = dataclasses.replace(photo.chosen, frame=frame, points=points)
        self.worker.put(photo, first=True)
        await self._note(photo)
        await run_in_threadpool(self.worker.wait_for, photo, _PATIENCE)
        return JSONResponse(self._state_of(photo))

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
        changes = await parsing.short_json(request, _HINTS)
        boxes = changes.get("boxes")
        if not isinstance(boxes, list) or not boxes:
            raise HTTPException(400, "boxes must be a list")
        parts = [parsing.box(box) for box in boxes]
        if len(session.photos) + len(parts) > self.limits.photos:
            raise HTTPException(429, self._too_many())
        size = await run_in_threadpool(lambda: photo.upload.stat().st_size)
        reason, _ = await run_in_threadpool(self._room_for, size * len(parts))
        if reason:
            raise HTTPException(507, reason)
        made = []
        with self.sessions.using(session):
            for number, box in enumerate(parts, start=1):
                part = await run_in_threadpool(naming.part_of, photo, box, number)
                session.photos[part.id] = part
                await self._note(part)
                self.worker.put(part)
                made.append(part)
        return JSONResponse({"photos": [self._state_of(part) for part in made]})

    async def hints_file(self, request: Request) -> Response:
        """Send the hints of a photo as the file that `predict --hints` finds."""
        _, photo = await self._photo(request)
        content = {"version": hinting.VERSION, "points": list(photo.chosen.points)}
        stem = os.path.splitext(naming.file_name(photo.name))[0]
        name = quote(f"{stem}{hinting.JSON}")
        return JSONResponse(
            content,
            headers={"content-disposition": f"attachment; filename*=utf-8''{name}"},
        )

    async def likely(self, request: Request) -> Response:
        """Say which colours are likely at a place of a photo."""
        _, photo = await self._still(request)
        x, y = parsing.shares(request, "x", "y")
        colours = await run_in_threadpool(self.worker.suggested, photo, x, y)
        return JSONResponse({"colours": colours})

    async def remove(self, request: Request) -> Response:
        """Delete a photo."""
        session, photo = await self._photo(request)
        await run_in_threadpool(self.sessions.remove, session, photo)
        return Response(status_code=204)

    async def remove_all(self, request: Request) -> Response:
        """Delete all photos of a session."""
        session = await self._session(request)
        for photo in list(session.photos.values()):
            await run_in_threadpool(self.sessions.remove, session, photo)
        return Response(status_code=204)

    async def preview(self, request: Request) -> Response:
        """Send what the browser paints a photo from."""
        _, photo = await self._photo(request)
        return await self._sent(photo.result.preview if photo.result else None)

    async def thumbnail(self, request: Request) -> Response:
        """Send the same for the list."""
        _, photo = await self._photo(request)
        return await self._sent(photo.result.thumbnail if photo.result else None)

    async def part(self, request: Request) -> Response:
        """Send what the browser paints a part of a photo from, to be looked at closely.

        The query has its box, and the width that it is shown at; the answer says in a
        header which box it is of, as only whole pixels are sent.
        """
        _, photo = await self._photo(request)
        box = parsing.shares(request, "left", "top", "right", "bottom")
        if not (box[0] < box[2] and box[1] < box[3]):
            raise HTTPException(400, "the box is empty")
        width = request.query_params.get("width", "")
        if not (width.isascii() and width.isdigit() and 0 < int(width[:9]) <= 10_000):
            raise HTTPException(400, "width must be from 1 to 10000")
        try:
            left, top, right, bottom = box
            body, exact = await run_in_threadpool(
                self.worker.part, photo, (left, top, right, bottom), int(width)
            )
        except ColorizeError as e:
            raise HTTPException(409, str(e)) from e
        except FileNotFoundError as e:  # it has just been coloured again, or removed
            raise HTTPException(409, "This photo is not coloured yet.") from e
        return Response(
            body,
            media_type="application/octet-stream",
            headers={"x-box": " ".join(map(str, exact))},
        )

    async def player(self, request: Request) -> Response:
        """Send what browsers play of a film, or of the part that they ask for."""
        _, photo = await self._photo(request)
        if photo.film is None or not photo.film.player.exists():
            raise HTTPException(409, "This film is not coloured yet.")
        return FileResponse(photo.film.player, media_type="video/webm")

    async def _sent(self, path: Path | None) -> Response:
        try:
            if path is not None:
                body = await run_in_threadpool(path.read_bytes)
                return Response(body, media_type="application/octet-stream")
        except FileNotFoundError:  # it has just been coloured again
            pass
        raise HTTPException(409, "This photo is not coloured yet.")

    async def write_copy(self, request: Request) -> Response:
        """Write the coloured copy of a photo, to be downloaded next."""
        session, photo = await self._photo(request)

        def write() -> Any:
            with self.sessions.using(session):
                done = self.worker.write_copy(photo)
                before, photo.copy = photo.copy, None
                if before is not None:
                    files.discard(before)
                if done.outcome != "failed":
                    photo.copy = done.output
                return done

        if photo.state != "ready":
            raise HTTPException(409, "This photo is not coloured yet.")
        done = await run_in_threadpool(write)
        if done.outcome == "failed":
            raise HTTPException(422, done.reason)
        return JSONResponse(self._state_of(photo))

    async def download(self, request: Request) -> Response:
        """Send the coloured copy that was written last."""
        session, photo = await self._photo(request)
        if photo.copy is None or not photo.copy.exists():
            raise HTTPException(409, "Press Download again.")
        (name,) = naming.copy_names([photo])
        name = name.rpartition("/")[-1]
        return FileResponse(
            photo.copy, media_type="application/octet-stream", filename=name
        )

    async def download_all(self, request: Request) -> Response:
        """Send a ZIP file of all that is coloured.

        With `?report=1` there is a report of everything in it.
        """
        session = await self._session(request)
        photos = list(session.photos.values())
        if not any(photo.state == "ready" for photo in photos):
            raise HTTPException(409, "No photo is coloured yet.")
        with_report = request.query_params.get("report") == "1"
        return zipping.Sent(
            self._zip(session, photos, with_report),
            media_type="application/zip",
            headers={"content-disposition": 'attachment; filename="colorized.zip"'},
        )

    def _zip(
        self, session: Session, photos: list[Photo], with_report: bool
    ) -> Generator[bytes]:
        """Yield a ZIP file, whose progress the page is told of."""
        ready = sum(photo.state == "ready" for photo in photos)
        progress = Sending(0, ready)
        session.writing.append(progress)
        try:
            with self.sessions.using(session):
                yield from zipping.pieces(
                    self.worker,
                    photos,
                    lambda written: setattr(progress, "written", written),
                    with_report=with_report,
                )
        finally:
            session.writing.remove(progress)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
