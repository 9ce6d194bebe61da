"""What the answers of the page have in common: whose photo it is, and how it is."""

import dataclasses
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request

from colorize import files
from colorize.errors import ColorizeError
from colorize.page.photos import Photo
from colorize.page.sessions import Session, Sessions
from colorize.page.worker import Worker


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one page may upload.

    Attributes:
        photos: at a time.
        bytes: of each.
    """

    photos: int = 200
    bytes: int = 500_000_000


class Answers:
    """Answers to requests.

    Args:
        worker: what colours photos.
        sessions: whose photos they are.
        limits: of what may be uploaded.
    """

    def __init__(self, worker: Worker, sessions: Sessions, limits: Limits) -> None:
        self.worker = worker
        self.sessions = sessions
        self.limits = limits

    async def _find(self, request: Request) -> Session | None:
        """Return the session of a request, if it is there still."""
        token = request.path_params["token"]
        try:  # a whole folder may have to be read
            return await run_in_threadpool(self.sessions.find, token)
        except ColorizeError as e:
            raise HTTPException(503, str(e)) from e

    async def _session(self, request: Request) -> Session:
        session = await self._find(request)
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

    async def _note(self, photo: Photo) -> None:
        """Write down what is chosen for a photo."""
        try:
            await run_in_threadpool(self.sessions.note, photo)
        except OSError as e:
            raise unkept(e) from e

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
            "points": chosen.shown_points,
            "colouring": chosen.colouring,
            "turned": chosen.frame.turned,
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


def unkept(error: OSError) -> HTTPException:
    """Return what is answered where something cannot be written."""
    reason = "the disk is full" if files.is_full(error) else error.strerror
    return HTTPException(507, f"This cannot be kept: {reason}.")
