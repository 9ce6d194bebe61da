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
def answers(tmp_path):
    answers = EmbeddingCache(tmp_path, "classifier-a")
    yield answers
    answers.close()


def test_what_was_added_is_found_by_the_next_process_too(answers, tmp_path):
    assert answers.missing(DIGESTS).all()
    answers.add(DIGESTS[:2], vectors(count=2))
    answers.close()
    again = EmbeddingCache(tmp_path, "classifier-a")
    assert again.missing(DIGESTS).tolist() == [False, False, True]
    result = again.read(DIGESTS[[1, 0, 1]])
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, vectors(count=2)[[1, 0, 1]], atol=2e-3)
    again.close()


def test_another_classifier_or_picture_has_none(answers, tmp_path):
    answers.add(DIGESTS, vectors())
    other = EmbeddingCache(tmp_path, "classifier-b")
    assert other.missing(DIGESTS).all()
    assert answers.missing(np.array([b"changed"], "S16")).all()
    other.close()


def test_a_damaged_entry_counts_as_missing_until_it_is_made_again(answers):
    answers.add(DIGESTS, vectors())
    with sqlite3.connect(answers.path) as file:
        file.execute("UPDATE vectors SET vector = zeroblob(10) WHERE digest = ?",
                     (b"two",))  # fmt: skip
    file.close()
    assert answers.missing(DIGESTS).tolist() == [False, True, False]
    with pytest.raises(ColorizeError, match="--resume"):
        answers.read(DIGESTS)
    answers.add(DIGESTS[1:2], vectors(seed=1, count=1))
    assert not answers.missing(DIGESTS).any()


@pytest.mark.parametrize("keep", [0, 3000])
def test_a_damaged_file_is_made_anew(keep, answers, tmp_path):
    answers.add(DIGESTS, vectors())
    answers.close()
    whole = answers.path.read_bytes()
    answers.path.write_bytes(whole[:keep] + bytes([255]) * (len(whole) - keep))
    again = EmbeddingCache(tmp_path, "classifier-a")
    assert again.missing(DIGESTS).all()
    again.add(DIGESTS, vectors())
    assert not again.missing(DIGESTS).any()
    again.close()


def test_the_cache_command_counts_and_deletes_it(tmp_path):
    folder = tmp_path / "v1-8x8"
    folder.mkdir()
    (folder / "index.sqlite").touch()
    answers = EmbeddingCache(folder, "classifier-a")
    answers.add(DIGESTS, vectors())
    answers.close()
    assert cache.used_bytes(tmp_path) >= answers.path.stat().st_size
    cache.clear(tmp_path)
    assert not folder.exists()
