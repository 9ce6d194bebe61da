"""What is chosen for a photo: settings, colours, its frame, another for its colours."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from colorize import files, references
from colorize.errors import ColorizeError
from colorize.page import adding, parsing
from colorize.page import photos as naming
from colorize.page.answering import Answers
from colorize.page.framing import Frame, Points, checked_points
from colorize.page.photos import Photo
from colorize.page.worker import COLOURINGS, SATURATIONS, SIZES, WARMTHS
from colorize.pictures.reading import Box

_MOST_POINTS = 500
_PATIENCE = 20.0  # seconds that the answer to one that colours may take


class Choices(Answers):
    """Has photos coloured as their owner wants them."""

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
        if size is not None and (type(size) is not int or size not in (usual, before)):
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
        """Set the hints of a photo and its colouring; answer once it is coloured.

        `{"points": […], "turned": 1, "box": null}`: the points lie in that frame, for
        the photo may have got another since they were told.
        """
        _, photo = await self._still(request)
        changes = await parsing.short_json(request, parsing.LONG)
        chosen = photo.chosen
        colouring = parsing.whole_number(
            changes, "colouring", 0, COLOURINGS - 1, usual=chosen.colouring
        )
        if "points" in changes:
            usual = chosen.frame
            turned = parsing.whole_number(changes, "turned", 0, 3, usual=usual.turned)
            frame = Frame(turned, _box(changes, usual.box))
            chosen = chosen.with_shown(_points(changes["points"]), frame)
        if len(chosen.points) > _MOST_POINTS:
            raise HTTPException(400, f"at most {_MOST_POINTS} colours at a time")
        if photo.state in ("failed", "left"):
            raise HTTPException(409, "This photo is not coloured.")
        if chosen.shown_points and not self.worker.takes_hints:
            raise HTTPException(409, "This network cannot be told colours.")
        if colouring and not self.worker.suggests:
            raise HTTPException(409, "This network has one colouring only.")
        return await self._colour(photo, points=chosen.points, colouring=colouring)

    async def reframe(self, request: Request) -> Response:
        """Turn a photo by quarters, clockwise, or choose the part of it that counts.

        `{"turn": 1}`, or `{"box": [left, top, right, bottom]}`, shares of the sides of
        the whole as it is turned; null for the whole. Answer once it is coloured.
        """
        _, photo = await self._still(request)
        changes = await parsing.short_json(request)
        if photo.result is None:
            raise HTTPException(409, "This photo is not coloured.")
        frame = photo.chosen.frame
        for _ in range(parsing.whole_number(changes, "turn", 0, 3, usual=0)):
            frame = frame.turned_further()
        frame = frame._replace(box=_box(changes, frame.box))
        if frame.box and photo.result.job.pages > 1:
            raise HTTPException(409, "Of several pages no part can be taken.")
        return await self._colour(photo, frame=frame)

    async def refer(self, request: Request) -> Response:
        """Take a colour picture whose colours a photo is to take: the body is its file.

        An empty body takes it away. Answer once the photo is coloured.
        """
        session, photo = await self._still(request)
        name = naming.shown_name(request.query_params.get("name", ""))
        if photo.result is None:
            raise HTTPException(409, "This photo is not coloured.")
        if not self.worker.suggests:
            raise HTTPException(
                409, "This network cannot take colours from another photo."
            )
        # It arrives as a photo does, but becomes none.
        arriving = naming.new_photo(name, session.folder)
        path = arriving.upload = photo.reference_file(name)
        with self.sessions.using(session):
            await adding.receive(request, session, arriving, self.limits)
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
            reference = path if there else None
            return await self._colour(photo, reference=reference, reference_name=name)

    async def _colour(self, photo: Photo, **chosen: Any) -> Response:
        """Have a photo coloured as it is chosen now; answer once it is."""
        photo.chosen = dataclasses.replace(photo.chosen, **chosen)
        self.worker.put(photo, first=True)
        await self._note(photo)
        await run_in_threadpool(self.worker.wait_for, photo, _PATIENCE)
        return JSONResponse(self._state_of(photo))


def _box(changes: Mapping[str, Any], usual: Box | None) -> Box | None:
    """Return the box that a request's body has, or else the usual one."""
    if "box" not in changes:
        return usual
    value = changes["box"]
    return None if value is None else parsing.box(value)


def _points(value: Any) -> Points:
    """Return the hints that a request's body has."""
    try:
        return checked_points(value)
    except (TypeError, ValueError) as e:
        raise HTTPException(400, parsing.in_a_line(e)) from e
