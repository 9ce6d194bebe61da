"""How steady, how true and how fast films are coloured.

    python benchmarks/film.py [FILM...] [--seconds N]
    python benchmarks/film.py FILM --minutes 1 5 20 [--lines 720 --rate 5]

Before the films that are named, a pan and a zoom are made of two sample photos: of
these the motion is known. Each film, in colour, is turned grey and coloured twice: with
colours carried along motion, as `colorize predict` does, and frame by frame. "flicker"
is the mean difference of ab from a frame to the one before, carried along the motion of
the true film where motion there and back agrees; cuts do not count. That motion comes
from another method (Farneback) than the one that colours are carried by. "ab RMSE" is
to the true film.
`colorize predict` itself is timed, from decoding to encoding, and its memory is read.

`--minutes` repeats a film's frames to films of that many minutes, in 4:3 and of 120
lines and 25 frames a second if nothing else is said, and reads the memory that
`colorize predict` takes for each.
"""

import argparse
import itertools
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from start import measured

import colorize
from colorize import color
from colorize.films import coloring
from colorize.metrics import colourfulness
from colorize.prediction.job import Job, Settings

SIDE = 256  # short side that is measured at
DATA = Path(__file__).parent.parent / "data"
MADE = {"pan": "street", "zoom": "heron"}  # and the photos that they are made of
FRAMES = 60  # of what is made
CUT = 0.1  # share of sure pixels: at a cut are fewer, and nothing has a before


def true_frames(path: Path, most: float) -> list[np.ndarray]:
    """Return the frames (h, w, 3) uint8 of the first seconds, small."""
    frames = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time > most:
                break
            scale = SIDE / min(frame.height, frame.width)
            size = (
                round(frame.width * scale) // 2 * 2,
                round(frame.height * scale) // 2 * 2,
            )
            rgb = frame.to_ndarray(format="rgb24")
            frames.append(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
    return frames


def write_grey(frames: list[np.ndarray], path: Path) -> None:
    """Write the lightness of frames as a film without loss."""
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
        stream.codec_context.color_range = 2
        for rgb in frames:
            grey = color.grey(color.lightness(rgb))[..., 0]
            neutral = np.full_like(grey, 128)
            planes = np.stack([grey, neutral, neutral])
            frame = av.VideoFrame.from_ndarray(planes, format="yuv444p")
            frame.color_range = 2
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def colored(path: Path, scratch: Path, colorizer: colorize.Colorizer, alone: bool):
    """Return the ab (h, w, 2) of each frame of a film that is coloured, and seconds."""
    out = scratch / f"{path.stem}-{alone}.mkv"
    settings = coloring.FilmSettings(codec="ffv1", chroma="source", alone=alone)
    begun = time.perf_counter()
    coloring.color(colorizer, Job(path.name, path, out), Settings(size=SIDE), settings)
    seconds = time.perf_counter() - begun
    ab = []
    with av.open(str(out)) as container:
        for frame in container.decode(video=0):
            ab.append(lab(frame.to_ndarray(format="rgb24"))[..., 1:])
    return ab, seconds


def lab(rgb: np.ndarray) -> np.ndarray:
    """Return Lab (h, w, 3) of 8-bit sRGB."""
    return color.rgb_to_lab(rgb.astype(np.float32) / 255)


def flow(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return where the pixels of one grey frame are in the other."""
    return cv2.calcOpticalFlowFarneback(one, other, None, 0.5, 5, 21, 5, 7, 1.5, 0)


def carried(values: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """Return values of another frame, found there by motion."""
    height, width = motion.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return cv2.remap(values, x + motion[..., 0], y + motion[..., 1], cv2.INTER_LINEAR)


def motions(frames: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return where each frame but the first was before, and where that is sure."""
    grey = [color.grey(color.lightness(rgb))[..., 0] for rgb in frames]
    motion_of = []
    for before, now in zip(grey, grey[1:], strict=False):
        back, ahead = flow(now, before), flow(before, now)
        astray = np.linalg.norm(back + carried(ahead, back), axis=-1)
        apart = np.abs(now.astype(float) - carried(before, back))
        motion_of.append((back, (astray < 0.5) & (apart < 8)))
    return motion_of


def flicker(
    ab: list[np.ndarray], between: list[tuple[np.ndarray, np.ndarray]]
) -> float:
    """Return the mean change of ab along motion, in Lab units."""
    changes = []
    for before, now, (back, sure) in zip(ab, ab[1:], between, strict=False):
        if sure.mean() > CUT:
            change = np.linalg.norm(now - carried(before, back), axis=-1)
            changes.append(change[sure].mean())
    return float(np.mean(changes))


def figures(frames, ab, between) -> str:
    """Return a row of a table: flicker, ab RMSE and colourfulness."""
    truth = [lab(rgb)[..., 1:] for rgb in frames]
    errors = [np.square(a - t).sum(-1).mean() for a, t in zip(ab, truth, strict=True)]
    vivid = []
    for rgb, a in list(zip(frames, ab, strict=True))[::5]:
        lightness = color.lightness(rgb)
        vivid.append(colourfulness(color.join(lightness, a)))
    return (
        f"{flicker(ab, between):.2f} | {np.sqrt(np.mean(errors)):.2f} | "
        f"{np.mean(vivid):.1f}"
    )


def made(name: str) -> tuple[list[np.ndarray], list[tuple[np.ndarray, np.ndarray]]]:
    """Return the frames of a pan or a zoom, and its true motion as `motions` does."""
    photo = cv2.imread(str(next((DATA / "train").glob(f"{MADE[name]}.*"))))
    photo = cv2.cvtColor(photo, cv2.COLOR_BGR2RGB)
    scale = 1.4 * SIDE / min(photo.shape[:2])  # of the photo, more than a frame shows
    photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = photo.shape[:2]
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) - SIDE / 2
    # Where the pixels of each frame lie in the photo.
    places = []
    for i in range(FRAMES):
        share = i / (FRAMES - 1)
        reach = 1.0 if name == "pan" else 1.25 - 0.5 * share
        right = (share - 0.5) * (width - SIDE - 8) if name == "pan" else 0.0
        down = (share - 0.5) * (height - SIDE - 8) if name == "pan" else 0.0
        middle = width / 2 + right, height / 2 + down
        places.append((reach, np.float32(middle)))
    frames, between = [], []
    for i, (reach, middle) in enumerate(places):
        there = np.stack([x, y], axis=-1) * np.float32(reach) + middle
        frames.append(cv2.remap(photo, *np.moveaxis(there, -1, 0), cv2.INTER_CUBIC))
        if i:
            reach_before, middle_before = places[i - 1]
            before = (there - middle_before) / np.float32(reach_before) + SIDE / 2
            inside = ((before >= 0) & (before <= SIDE - 1)).all(axis=-1)
            here = np.stack([x, y], axis=-1) + SIDE / 2
            between.append((before - here, inside))
    return frames, between


def compare(
    name: str,
    frames: list[np.ndarray],
    between: list[tuple[np.ndarray, np.ndarray]],
    colorizer: colorize.Colorizer,
) -> None:
    """Print the rows of a film: true, carried along motion and frame by frame."""
    truth = [lab(rgb)[..., 1:] for rgb in frames]
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        grey = scratch / "grey.mkv"
        write_grey(frames, grey)
        print(f"| {name} | true | {figures(frames, truth, between)} | |")
        for label, alone in (("carried", False), ("frame by frame", True)):
            ab, seconds = colored(grey, scratch, colorizer, alone)
            row = figures(frames, ab, between)
            print(f"| | {label} | {row} | {len(frames) / seconds:.1f} |", flush=True)


def memory(path: Path, minutes: list[float], lines: int, rate: int) -> None:
    """Print the time and the memory of films of one film's frames, over and over."""
    width = lines * 4 // 3
    with av.open(str(path)) as container:
        small = [
            frame.reformat(width, lines, format="yuv420p")
            for frame in itertools.islice(container.decode(video=0), 250)
        ]
    print("| minutes | frames | frames/s | peak memory, MB |")
    print("|---|---|---|---|")
    for length in minutes:
        count = round(60 * rate * length)
        with tempfile.TemporaryDirectory() as folder:
            film = Path(folder) / "long.mp4"
            with av.open(str(film), "w") as container:
                stream = container.add_stream("libx264", rate=rate)
                stream.width, stream.height, stream.pix_fmt = width, lines, "yuv420p"
                for i in range(count):
                    frame = small[i % len(small)]
                    frame.pts, frame.time_base = i, Fraction(1, rate)
                    container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
            command = ["-m", "colorize", "predict", str(film), f"{folder}/out"]
            seconds, peak = measured(command, Path(__file__).parent.parent)
        row = f"{length:g} | {count:,} | {count / seconds:.0f} | {peak:.0f}"
        print(f"| {row} |", flush=True)


def main() -> None:
    """Measure what is made and each film that is named, or the memory of one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("films", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--minutes", type=float, nargs="+")
    parser.add_argument("--lines", type=int, default=120)
    parser.add_argument("--rate", type=int, default=25)
    options = parser.parse_args()
    if options.minutes:
        memory(options.films[0], options.minutes, options.lines, options.rate)
        return
    for film in options.films:
        timed(film)
    colorizer = colorize.load()
    print("| film | | flicker | ab RMSE | colourfulness | frames/s at 256 |")
    print("|---|---|---|---|---|---|")
    for name in MADE:
        compare(name, *made(name), colorizer)
    for film in options.films:
        frames = true_frames(film, options.seconds)
        compare(film.name, frames, motions(frames), colorizer)


def timed(path: Path) -> None:
    """Print what `colorize predict` takes for a film, start and all, and its memory."""
    with av.open(str(path)) as container:
        count = sum(1 for _ in container.decode(video=0))
        height = container.streams.video[0].height
    with tempfile.TemporaryDirectory() as out:
        command = ["-m", "colorize", "predict", str(path.resolve()), out]
        seconds, peak = measured(command, Path(__file__).parent.parent)
    print(
        f"{path.name}: {count} frames of {height} lines in {seconds:.1f} s, "
        f"{count / seconds:.1f} a second, {peak:.0f} MB"
    )


if __name__ == "__main__":
    main()
