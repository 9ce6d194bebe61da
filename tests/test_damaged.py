"""A picture cut short fails; with --damaged, what there is of it is coloured."""

import json

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

from colorize.cli import cli

WIDTH, HEIGHT = 96, 160


def cut(path, draw, *, keep, **options):
    """Write a picture, and keep a share of its bytes."""
    rng = np.random.default_rng(0)
    noisy = draw(HEIGHT, WIDTH) // 2 + rng.integers(0, 128, (HEIGHT, WIDTH, 3))
    grey = Image.fromarray(noisy.astype(np.uint8)).convert("L")
    if path.suffix == ".tif":  # Pillow would put the tags last, where they are cut off
        tifffile.imwrite(path, np.asarray(grey), rowsperstrip=8, **options)
    else:
        grey.save(path, **options)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])


def predicted(photo, folder, *flags):
    report = folder / "report.jsonl"
    result = CliRunner().invoke(
        cli,
        ["predict", str(photo), str(folder / "out"), "--report", str(report), *flags],
    )
    lines = report.read_text(encoding="utf-8").splitlines()
    return result, json.loads(lines[-1])


@pytest.mark.parametrize("name", ["cut.jpg", "cut.png", "cut.tif"])
def test_a_picture_cut_short_is_coloured_as_far_as_it_goes_on_request(
    name, tmp_path, draw
):
    cut(tmp_path / name, draw, keep=0.6)
    result, job = predicted(tmp_path / name, tmp_path)
    assert result.exit_code == 1 and job["outcome"] == "failed"
    assert "damaged" in job["reason"] and not (tmp_path / "out" / name).exists()
    assert "--damaged colours what there is" in result.stderr

    result, job = predicted(tmp_path / name, tmp_path, "--damaged")
    assert result.exit_code == 0, result.output
    (said,) = [w for w in job["warnings"] if w.startswith("damaged")]
    whole = int(said.split("first ")[1].split()[0])
    assert said == f"damaged: only the first {whole} of {HEIGHT} rows are whole"
    assert 0.35 * HEIGHT < whole < 0.75 * HEIGHT
    with Image.open(tmp_path / "out" / name) as copy:
        assert copy.size == (WIDTH, HEIGHT)
        rows = np.asarray(copy.convert("L"), float).std(axis=1)
    assert rows[: whole - 16].min() > 10 and rows[-8:].max() < 10


def test_a_progressive_jpeg_that_is_cut_has_no_whole_row(tmp_path, draw):
    cut(tmp_path / "cut.jpg", draw, keep=0.8, progressive=True)
    result, job = predicted(tmp_path / "cut.jpg", tmp_path, "--damaged")
    assert result.exit_code == 0, result.output
    assert any("only the first 0 of" in warning for warning in job["warnings"])


def test_a_tiff_with_damaged_tiles_is_coloured_and_each_page_says_how_far_it_is_whole(
    tmp_path, draw
):
    path = tmp_path / "cut.tif"
    pixels = draw(HEIGHT, WIDTH)[..., 0]
    with tifffile.TiffWriter(path) as file:
        for _ in range(2):
            file.write(pixels, tile=(32, 32), compression="zlib")
    with tifffile.TiffFile(path) as file:
        places = file.pages[1].dataoffsets
    data = bytearray(path.read_bytes())
    at = places[len(places) // 2]  # in the third of five rows of tiles
    data[at : at + 40] = bytes(40)
    path.write_bytes(data)
    _, job = predicted(path, tmp_path)
    assert job["outcome"] == "failed"
    _, job = predicted(path, tmp_path, "--damaged")
    assert job["outcome"] == "coloured"
    assert job["warnings"] == [
        "page 2: damaged: only the first 64 of 160 rows are whole"
    ]


def test_what_is_whole_is_not_called_damaged(tmp_path, draw):
    cut(tmp_path / "whole.jpg", draw, keep=1)
    result, job = predicted(tmp_path / "whole.jpg", tmp_path, "--damaged")
    assert result.exit_code == 0 and job["warnings"] == []


def test_another_file_that_is_no_picture_fails_all_the_same(tmp_path):
    (tmp_path / "none.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(20))
    result, job = predicted(tmp_path / "none.jpg", tmp_path, "--damaged")
    assert result.exit_code == 1 and job["outcome"] == "failed"
    assert "Traceback" not in result.output
