"""What a classifier says of each picture, on disk beside the decoded pictures.

Entries are keyed by the content of the picture file and by the classifier with its
weights, so a changed file or classifier is another entry. Each carries a checksum; one
that is damaged counts as missing.
"""

import sqlite3
import threading
import zlib
from pathlib import Path

import numpy as np

from colorize import files
from colorize.errors import ColorizeError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    classifier TEXT, digest BLOB, vector BLOB, checksum INTEGER,
    PRIMARY KEY (classifier, digest)) WITHOUT ROWID
"""


class EmbeddingCache:
    """The vectors of one classifier for the pictures of one cache folder.

    Args:
        folder: of the decoded pictures.
        classifier: what tells the classifier and its weights from all others.

    Raises:
        ColorizeError: the folder cannot be written to.
    """

    def __init__(self, folder: Path, classifier: str) -> None:
        self.path = folder / "embeddings.sqlite"
        self.classifier = classifier
        self._lock = threading.Lock()
        try:
            self._open()
        except sqlite3.DatabaseError as e:
            self._start_anew(e)

    def _start_anew(self, error: sqlite3.DatabaseError) -> None:
        """Empty a file that is damaged as a whole: all in it can be made again."""
        if isinstance(error, sqlite3.OperationalError):  # locked, full, not writable
            raise ColorizeError(f"{self.path}: {error}") from error
        self._connection.close()
        self.path.unlink()
        self._open()

    def _open(self) -> None:
        # One connection for all threads of the loader; the lock keeps them apart.
        self._connection = sqlite3.connect(
            self.path, timeout=60, check_same_thread=False
        )
        files.share_database(self._connection)
        self._connection.execute(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def missing(self, digests: np.ndarray) -> np.ndarray:
        """Which of these pictures (N,) have no whole vector here; (N,) bool."""
        try:
            lacks = (self._find(bytes(digest)) is None for digest in digests)
            return np.fromiter(lacks, bool, len(digests))
        except sqlite3.DatabaseError as e:
            self._start_anew(e)
            return np.ones(len(digests), bool)

    def add(self, digests: np.ndarray, vectors: np.ndarray) -> None:
        """Keep the vectors (N, C) of pictures (N,), in half precision."""
        rows = []
        for digest, vector in zip(digests, vectors, strict=True):
            data = vector.astype(np.float16).tobytes()
            rows.append((self.classifier, bytes(digest), data, zlib.crc32(data)))
        try:
            with self._lock, self._connection as transaction:
                transaction.executemany(
                    "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", rows
                )
        except sqlite3.DatabaseError as e:
            raise ColorizeError(f"{self.path}: {e}; make room and try again") from e

    def read(self, digests: np.ndarray) -> np.ndarray:
        """Return the vectors (N, C) float32 of pictures (N,), in any thread.

        Raises:
            ColorizeError: one is missing or damaged.
        """
        vectors = []
        for digest in digests:
            vector = self._find(bytes(digest))
            if vector is None:
                raise ColorizeError(
                    f"{self.path}: damaged while it was in use; go on with --resume"
                )
            vectors.append(vector)
        return np.stack(vectors).astype(np.float32)

    def _find(self, digest: bytes) -> np.ndarray | None:
        with self._lock:
            row = self._connection.execute(
                "SELECT vector, checksum FROM vectors"
                " WHERE classifier = ? AND digest = ?",
                (self.classifier, digest),
            ).fetchone()
        if row is None or zlib.crc32(row[0]) != row[1]:
            return None
        return np.frombuffer(row[0], np.float16)
