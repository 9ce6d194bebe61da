"""Nothing that only POSIX has is needed."""

import subprocess
import sys
from pathlib import Path

import pytest

from colorize import files

SCRIPT = Path(__file__).with_name("without_posix.py")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")
def test_every_command_runs_without_posix(photos, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    ran = subprocess.run(
        [sys.executable, SCRIPT, photos, out],
        capture_output=True,
        encoding="utf-8",
    )
    assert ran.returncode == 0, ran.stderr[-4000:]


@pytest.mark.parametrize("hidden", [(), ("pread", "pwrite")])
def test_bytes_are_read_and_written_at_offsets(hidden, tmp_path, monkeypatch):
    for name in hidden:
        monkeypatch.delattr(f"os.{name}", raising=False)
    with open(tmp_path / "file", "w+b") as file:
        files.write_at(file.fileno(), b"later", 7)
        files.write_at(file.fileno(), b"earlier", 0)
        assert files.read_at(file.fileno(), 5, 7) == b"later"
        assert files.read_at(file.fileno(), 99, 5) == b"erlater"


@pytest.mark.parametrize("hidden", [(), ("posix_fallocate",)])
def test_room_is_reserved(hidden, tmp_path, monkeypatch):
    for name in hidden:
        monkeypatch.delattr(f"os.{name}", raising=False)
    with open(tmp_path / "file", "w+b") as file:
        files.reserve(file.fileno(), 3_000_000)
        assert (tmp_path / "file").stat().st_size == 3_000_000
        assert file.read() == bytes(3_000_000)
