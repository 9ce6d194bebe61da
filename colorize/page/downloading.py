"""Coloured copies, one by one or all in a ZIP file."""

from collections.abc import Generator
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from colorize import files
from colorize.page import photos as naming
from colorize.page import zipping
from colorize.page.answering import Answers
from colorize.page.photos import Photo
from colorize.page.sessions import Sending, Session


class Downloads(Answers):
    """Writes copies and sends them."""

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
