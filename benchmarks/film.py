"""How steady, how true and how fast films are coloured.

    python benchmarks/film.py FILM... [--seconds N]

Each film, in colour, is turned grey and coloured twice: with colours carried along
motion, as `colorize predict` does, and frame by frame. "flicker" is the mean difference
of ab from a frame to the one before, carried along the motion of the true film where
motion there and back agrees; that motion comes from another method (Farneback) than
the one that colours are carried by. "ab RMSE" is to the true film. Then `colorize
predict` itself is timed, from decoding to encoding, and its memory is read.
"""

import sys
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
    """Return values of another frame, motion_of there by motion."""
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
        if sure.any():
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


def main() -> None:
    """Measure each film that is named."""
    names = sys.argv[1:]
    most = 1e9
    if "--seconds" in names:
        i = names.index("--seconds")
        most = float(names[i + 1])
        del names[i : i + 2]
    for name in names:
        timed(Path(name))
    colorizer = colorize.load()
    print("| film | | flicker | ab RMSE | colourfulness | frames/s at 256 |")
    print("|---|---|---|---|---|---|")
    for name in names:
        frames = true_frames(Path(name), most)
        between = motions(frames)
        truth = [lab(rgb)[..., 1:] for rgb in frames]
        with tempfile.TemporaryDirectory() as folder:
            scratch = Path(folder)
            grey = scratch / f"{Path(name).stem}.mkv"
            write_grey(frames, grey)
            print(f"| {Path(name).name} | true | {figures(frames, truth, between)} | |")
            for label, alone in (("carried", False), ("frame by frame", True)):
                ab, seconds = colored(grey, scratch, colorizer, alone)
                row = figures(frames, ab, between)
                print(
                    f"| | {label} | {row} | {len(frames) / seconds:.1f} |", flush=True
                )


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
