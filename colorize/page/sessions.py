"""Who is there: the visits of browsers, their photos, and when they go.

A visit belongs to who has its secret, a random token. Where photos stay, the browser
keeps the token, and finds them again after a reload, in a second tab or when the
command is started again. Otherwise a visit ends when its page is closed, when nothing
has been heard of it for a while, or with the server, and its files go.
"""

import contextlib
import re
import secrets
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from colorize import files, signals
from colorize.errors import ColorizeError
from colorize.page import keeping
from colorize.page.keeping import AWAY
from colorize.page.photos import Photo

MOST_SESSIONS = 50
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")


@dataclass(eq=False)
class Sending:
    """How many copies of all are in a ZIP file that is being sent."""

    written: int
    ready: int


@dataclass(eq=False)
class Session:
    """What one visit has uploaded.

    Attributes:
        writing: the ZIP files that are being sent.
    """

    token: str
    folder: Path
    writing: list[Sending] = field(default_factory=list)
    photos: dict[str, Photo] = field(default_factory=dict)
    heard: float = field(default_factory=time.monotonic)
    closed: bool = False
    uploading: int = 0
    users: int = 0

    @property
    def progress(self) -> tuple[int, int] | None:
        """Return how many copies of all ZIP files are written, and of how many."""
        if not (under_way := list(self.writing)):
            return None
        written = sum(one.written for one in under_way)
        return written, sum(one.ready for one in under_way)


class Sessions:
    """All of them, below one folder that nobody else can read.

    Args:
        root: where photos stay; None for a temporary folder, which is deleted.
        most_bytes: that may lie there.
        on_return: called with each photo that was there already.
        on_remove: called with each photo that goes.

    Attributes:
        folder: theirs.
        stay: whether photos outlive their page and this command.
        say: called with what its user should know.
    """

    def __init__(
        self,
        root: Path | None = None,
        most_bytes: int = 10**10,
        *,
        on_return: Callable[[Photo], Any] = lambda photo: None,
        on_remove: Callable[[Photo], Any] = lambda photo: None,
    ) -> None:
        self.stay = root is not None
        if root is not None:
            self.folder = keeping.opened(root)
        else:
            self.folder = Path(tempfile.mkdtemp(prefix="colorize-page-"))
        self.most_bytes = most_bytes
        self._on_return = on_return
        self._on_remove = on_remove
        self.say: Callable[[str], Any] = lambda message: None
        self._reported: set[Path] = set()  # folders with notes that cannot be read
        self._open: dict[str, Session] = {}
        self._lock = threading.Lock()  # of who is there and who uses what
        self._returning = threading.Lock()
        self._noting = threading.Lock()

    def __enter__(self) -> "Sessions":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Delete what is not to stay, whatever signal comes meanwhile."""
        before = [signal.signal(number, signal.SIG_IGN) for number in signals.ENDING]
        for session in list(self._open.values()):
            self._end(session)
        if not self.stay:
            files.discard_folder(self.folder)
        for number, handler in zip(signals.ENDING, before, strict=True):
            signal.signal(number, handler)

    def new(self) -> Session:
        """Open one.

        Raises:
            ColorizeError: there are too many.
        """
        token = secrets.token_urlsafe(24)
        session = Session(token, keeping.folder_of(token, self.folder))
        self._make_place()
        with self._lock:
            session.folder.mkdir(mode=0o700)
            self._open[token] = session
        return session

    def _make_place(self) -> None:
        """Let one go that nothing has been heard of, if there are many."""
        with self._lock:
            if len(self._open) < MOST_SESSIONS:
                return
            silent = min(self._open.values(), key=lambda session: session.heard)
        if not self.stay or time.monotonic() - silent.heard < AWAY or silent.users:
            raise ColorizeError(
                f"{MOST_SESSIONS} pages are open already; close one and try again"
            )
        self._end(silent)

    def find(self, token: str) -> Session | None:
        """Return the one with a token, which has been heard of now.

        It may be of an earlier run of the command.
        """
        if not _TOKEN.fullmatch(token):
            return None
        session = self._open.get(token)
        if session is None and self.stay:
            session = self._returned(token)
        elif session is not None and not session.folder.exists():  # deleted by another
            self._end(session)
            return None
        if session is not None:
            session.heard = time.monotonic()
            keeping.touch(session.folder)
        return session

    def _returned(self, token: str) -> Session | None:
        """Open one again whose photos are there still."""
        folder = keeping.folder_of(token, self.folder)
        if not folder.is_dir():
            return None
        with self._returning:  # it is read once, while other visits go on
            if token in self._open:
                return self._open[token]
            self._make_place()
            session = Session(token, folder)
            session.photos = self._photos_in(folder)
            with self._lock:
                self._open[token] = session
        for photo in session.photos.values():
            self._on_return(photo)
        return session

    def _photos_in(self, folder: Path) -> dict[str, Photo]:
        """Return the photos of an earlier visit; say once if some cannot be had."""
        try:
            photos, unreadable = keeping.photos_in(folder)
        except OSError as e:
            raise ColorizeError(
                f"the photos of this visit cannot be read: {e.strerror}"
            ) from e
        if unreadable and folder not in self._reported:
            self._reported.add(folder)
            number = f"{unreadable} photo{'' if unreadable == 1 else 's'}"
            self.say(
                f"{folder}: left {number} there whose notes cannot be read, maybe of a "
                "later version; they are not shown"
            )
        return {photo.id: photo for photo in photos}

    @contextlib.contextmanager
    def using(self, session: Session) -> Iterator[None]:
        """Keep the files of a session until the block ends, even if it is closed."""
        with self._lock:
            session.users += 1
        try:
            yield
        finally:
            with self._lock:
                session.users -= 1
            self._clean(session)

    def note(self, photo: Photo) -> None:
        """Write down what is chosen for a photo, if it is to stay.

        Raises:
            OSError: it cannot be written.
        """
        if self.stay and not photo.removed:
            with self._noting:  # so that the last to write has seen what others chose
                keeping.note(photo)

    def room_for(self, size: int) -> tuple[bool, int]:
        """Make room for a file, at the cost of visits whose page is not open.

        Args:
            size: of the file, in bytes.

        Returns:
            Whether there is room, and how many photos had to go.
        """
        if not self.stay:
            return True, 0
        gone = 0
        lacking = keeping.bytes_in(self.folder) + size - self.most_bytes
        for folder in keeping.unused(self.folder) if lacking > 0 else ():
            visits = [s for s in list(self._open.values()) if s.folder == folder]
            if any(session.users for session in visits):
                continue  # a long download outlasts its page
            gone += keeping.count(folder)
            lacking -= keeping.bytes_in(folder)
            for session in visits:
                self._end(session)
            files.discard_folder(folder)
            if lacking <= 0:
                break
        return lacking <= 0, gone

    def remove(self, session: Session, photo: Photo) -> None:
        """Delete a photo."""
        session.photos.pop(photo.id, None)
        photo.removed = True
        self._on_remove(photo)
        photo.delete()

    def close(self, session: Session) -> None:
        """End the session of a page that is closed, unless its photos stay."""
        if not self.stay:
            self._end(session)

    def _end(self, session: Session) -> None:
        """End a session; files that do not stay go as soon as nobody uses them."""
        with self._lock:
            self._open.pop(session.token, None)
            session.closed = True
        for photo in list(session.photos.values()):
            self._on_remove(photo)
        self._clean(session)

    def _clean(self, session: Session) -> None:
        if not session.closed or session.users:
            return
        for photo in list(session.photos.values()):
            if self.stay:
                keeping.clean(photo)
            else:
                photo.removed = True
        if not self.stay:
            files.discard_folder(session.folder)
        elif not session.photos:
            keeping.vacate(session.folder)

    def close_silent(self, away: float = AWAY) -> None:
        """End those that nothing has been heard of for so many seconds."""
        for session in list(self._open.values()):
            if time.monotonic() - session.heard > away and not session.users:
                self.close(session)
