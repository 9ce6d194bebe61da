"""What the page shows of a photo or a film."""

import os
from pathlib import Path
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from colorize import hints as hinting
from colorize.errors import ColorizeError
from colorize.page import parsing
from colorize.page import photos as naming
from colorize.page.answering import Answers


class Views(Answers):
    """Sends what a photo is painted from, and what is chosen or likely for it."""

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
        width = parsing.digits(request, "width", 1, 10_000)
        try:
            left, top, right, bottom = box
            body, exact = await run_in_threadpool(
                self.worker.part, photo, (left, top, right, bottom), width
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

    async def likely(self, request: Request) -> Response:
        """Say which colours are likely at a place of a photo."""
        _, photo = await self._still(request)
        x, y = parsing.shares(request, "x", "y")
        colours = await run_in_threadpool(self.worker.suggested, photo, x, y)
        return JSONResponse({"colours": colours})

    async def hints_file(self, request: Request) -> Response:
        """Send the hints of a photo as the file that `predict --hints` finds.

        Their places are in the whole photo, which that command is given.
        """
        _, photo = await self._photo(request)
        content = {"version": hinting.VERSION, "points": list(photo.chosen.points)}
        stem = os.path.splitext(naming.file_name(photo.name))[0]
        name = quote(f"{stem}{hinting.JSON}")
        return JSONResponse(
            content,
            headers={"content-disposition": f"attachment; filename*=utf-8''{name}"},
        )

    async def reference(self, request: Request) -> Response:
        """Send the picture whose colours a photo takes."""
        _, photo = await self._photo(request)
        path = photo.chosen.reference
        if path is None or not path.exists():
            raise HTTPException(404, "This photo has no reference.")
        return FileResponse(path, media_type="application/octet-stream")

    async def _sent(self, path: Path | None) -> Response:
        try:
            if path is not None:
                body = await run_in_threadpool(path.read_bytes)
                return Response(body, media_type="application/octet-stream")
        except FileNotFoundError:  # it has just been coloured again
            pass
        raise HTTPException(409, "This photo is not coloured yet.")
