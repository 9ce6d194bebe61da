import sqlite3

import numpy as np
import pytest

from colorize.datasets import cache
from colorize.datasets.embeddings import EmbeddingCache
from colorize.errors import ColorizeError

DIGESTS = np.array([b"one", b"two", b"three"], cache.RECORD["digest"])


def vectors(seed=0, count=3):
    return np.random.default_rng(seed).normal(size=(count, 5)).astype(np.float32)


@pytest.fixture
def known(tmp_path):
    known = EmbeddingCache(tmp_path, "classifier-a")
    yield known
    known.close()


def test_what_was_added_is_found_by_the_next_process_too(known, tmp_path):
    assert known.missing(DIGESTS).all()
    known.add(DIGESTS[:2], vectors(count=2))
    known.close()
    again = EmbeddingCache(tmp_path, "classifier-a")
    assert again.missing(DIGESTS).tolist() == [False, False, True]
    found = again.read(DIGESTS[[1, 0, 1]])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, vectors(count=2)[[1, 0, 1]], atol=2e-3)
    again.close()


def test_another_classifier_or_picture_has_none(known, tmp_path):
    known.add(DIGESTS, vectors())
    other = EmbeddingCache(tmp_path, "classifier-b")
    assert other.missing(DIGESTS).all()
    assert known.missing(np.array([b"changed"], "S16")).all()
    other.close()


def test_a_damaged_entry_counts_as_missing_until_it_is_made_again(known):
    known.add(DIGESTS, vectors())
    with sqlite3.connect(known.path) as file:
        file.execute("UPDATE vectors SET vector = zeroblob(10) WHERE digest = ?",
                     (b"two",))  # fmt: skip
    file.close()
    assert known.missing(DIGESTS).tolist() == [False, True, False]
    with pytest.raises(ColorizeError, match="--resume"):
        known.read(DIGESTS)
    known.add(DIGESTS[1:2], vectors(seed=1, count=1))
    assert not known.missing(DIGESTS).any()


@pytest.mark.parametrize("keep", [0, 3000])
def test_a_damaged_file_is_made_anew(keep, known, tmp_path):
    known.add(DIGESTS, vectors())
    known.close()
    whole = known.path.read_bytes()
    known.path.write_bytes(whole[:keep] + bytes([255]) * (len(whole) - keep))
    again = EmbeddingCache(tmp_path, "classifier-a")
    assert again.missing(DIGESTS).all()
    again.add(DIGESTS, vectors())
    assert not again.missing(DIGESTS).any()
    again.close()


def test_the_cache_command_counts_and_deletes_it(tmp_path):
    folder = tmp_path / "v1-8x8"
    folder.mkdir()
    (folder / "index.sqlite").touch()
    known = EmbeddingCache(folder, "classifier-a")
    known.add(DIGESTS, vectors())
    known.close()
    assert cache.used_bytes(tmp_path) >= known.path.stat().st_size
    cache.clear(tmp_path)
    assert not folder.exists()
