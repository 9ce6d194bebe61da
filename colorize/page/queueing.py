"""What waits for its turn, in the order of uploads; what was changed comes next."""

import threading
from collections.abc import Callable

from colorize.page.photos import Photo


class Queue:
    """Photos that wait, and the one that is being worked on.

    Attributes:
        stopping: whether whoever takes from it is to end.
    """

    def __init__(self) -> None:
        self.stopping = False
        self._waiting: list[Photo] = []
        self._current: Photo | None = None
        self._changed = threading.Condition()

    def put(self, photo: Photo, *, first: bool = False) -> None:
        """Put a photo at the end, unless it stands there already.

        Args:
            photo: the photo.
            first: whether it is to come next.
        """
        with self._changed:
            if first and photo in self._waiting:
                self._waiting.remove(photo)
            if photo not in self._waiting and not photo.removed:
                self._waiting.insert(0 if first else len(self._waiting), photo)
                if photo.state not in ("reading", "colouring"):
                    photo.state = "queued"
            self._changed.notify_all()

    def drop(self, photo: Photo) -> None:
        """Take a photo out."""
        with self._changed:
            if photo in self._waiting:
                self._waiting.remove(photo)
                self._changed.notify_all()

    def next(self) -> Photo | None:
        """Return the next as soon as there is one, and be done with the one before.

        None as soon as it is to end.
        """
        with self._changed:
            if self._current in self._waiting:  # asked for again meanwhile
                self._waiting[self._waiting.index(self._current)].state = "queued"
            self._current = None
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self.stopping)
            if self.stopping:
                return None
            self._current = self._waiting.pop(0)
            self._current.state = "reading"
            return self._current

    def place(self, photo: Photo) -> int:
        """Return the place of a photo that waits, from 1; 0 if it does not."""
        with self._changed:
            waits = photo in self._waiting
            return self._waiting.index(photo) + 1 if waits else 0

    def wait_for(self, photo: Photo, seconds: float) -> None:
        """Return when nothing is to be done with a photo, or after so many seconds."""
        self._wait(
            lambda: photo not in self._waiting and photo is not self._current, seconds
        )

    def wait_for_rest(self) -> None:
        """Return when nothing at all is to be done, or when it is to end."""
        self._wait(lambda: not self._waiting and self._current is None)

    def stop(self) -> None:
        """Let whoever takes from it end."""
        with self._changed:
            self.stopping = True
            self._changed.notify_all()

    def _wait(self, done: Callable[[], bool], seconds: float | None = None) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self.stopping or done(), seconds)
