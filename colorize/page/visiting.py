"""Visits: begun, asked for how they are, cleared and ended."""

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from colorize.errors import ColorizeError
from colorize.page.answering import Answers
from colorize.page.worker import COLOURINGS, SATURATIONS, SIZES
from colorize.pictures import formats


class Visits(Answers):
    """What concerns all photos of a page, and their removal."""

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
        session = await self._find(request)
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
