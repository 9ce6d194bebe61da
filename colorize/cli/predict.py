"""`colorize predict`."""

import contextlib
import dataclasses
import os
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from colorize import config, files, run_folder
from colorize.cli.predict_films import FilmFlags, color_films
from colorize.cli.predict_results import Flags, Results, is_report
from colorize.cli.shared import (
    advancing,
    check_finite,
    check_target,
    command_errors,
    json_option,
    max_megapixels_option,
    model_option,
    model_path,
    precision_option,
    print_json,
    progress_bar,
    provenance_option,
    runtime_option,
    say,
    size_option,
    verbosity_options,
)
from colorize.errors import UsageError
from colorize.films import codecs
from colorize.pictures import finding, formats, frame_counts
from colorize.prediction import MAX_MEMORY, shards

if TYPE_CHECKING:
    from colorize.colorizer import Colorizer
    from colorize.prediction.job import Job, Settings
    from colorize.runtimes import Network


def _seconds(
    context: click.Context, parameter: click.Parameter, text: str | None
) -> float | None:
    """Return the seconds of a flag such as `10s` or `10`."""
    if text is None:
        return None
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1e6:
        raise click.BadParameter(f"seconds, such as 10s, not {text!r}")
    return seconds


_STANDARD = "-"  # standard input or output; a file of that name is ./-


@click.command()
@click.argument("paths", metavar="INPUT... [OUTPUT]", nargs=-1)
@click.option(
    "-o",
    "--output",
    metavar="OUTPUT",
    help="Where the copies go; all that is named otherwise is an input then.",
)
@model_option
@size_option
@click.option(
    "--saturation",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Strength of the colours; 0 is grey.",
)
@click.option(
    "--warmth",
    type=click.FloatRange(-1, 1),
    default=0.0,
    show_default=True,
    help="Warmer colours, up to 1, or colder ones, down to -1; greys, too.",
)
@click.option(
    "--hint",
    "points",
    multiple=True,
    metavar="X,Y=COLOUR",
    help="Of a single picture: the colour at a place, in shares of width and height "
    'from the upper left, as in "0.42,0.31=#3b5f8a"; repeatable. Of a film: at its '
    "beginning.",
)
@click.option(
    "--hints",
    "hints_folder",
    type=click.Path(path_type=Path),
    help="A folder with known colours, a.hints.json or a.hints.png for a.jpg, in the "
    "tree of the pictures; or the file of a single one.",
)
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    help="A colour picture whose colours are taken where it shows the same kind of "
    "thing: the same day, the same uniform; or a folder of them, a.jpg for a.jpg.",
)
@click.option(
    "--variants",
    type=click.IntRange(1, config.MOST_VARIANTS),
    metavar="N",
    help="Write N colourings of each picture, a.1.jpg to a.N.jpg, decided otherwise "
    "where the network is unsure; the first is the usual one.",
)
@click.option(
    "--compare",
    is_flag=True,
    help="Instead of copies, write a sheet of each picture over sizes and saturations, "
    "to choose from.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be done, how long it takes and how much disk; write nothing.",
)
@click.option(
    "--format",
    type=click.Choice(list(formats.SUFFIXES)),
    default="keep",
    show_default=True,
    help="Of the coloured copies; formats that are read alone, such as GIF, BMP and "
    "HEIC, become PNG, and an animated GIF becomes WebP.",
)
@click.option("--overwrite", is_flag=True, help="Colour again what is there already.")
@click.option(
    "--damaged",
    is_flag=True,
    help="Colour what there is of a JPEG, PNG or TIFF that was cut short or damaged, "
    "and say how much is whole; without this, such a picture fails.",
)
@click.option(
    "--skip-colour",
    is_flag=True,
    help="Leave pictures that are in colour already; sepia and yellowed ones are not.",
)
@click.option(
    "--first-frame",
    is_flag=True,
    help="Of an animated GIF, WebP or PNG: its first frame only, as a picture.",
)
@click.option(
    "--video-codec",
    type=click.Choice(list(codecs.CODECS)),
    help="Of films  [h264; vp9 in WebM]",
)
@click.option(
    "--chroma",
    type=click.Choice(["420", "source"]),
    default="420",
    show_default=True,
    help="Of films: one colour for four pixels, which all players take, or as many as "
    "the original has.",
)
@click.option(
    "--preview",
    metavar="SECONDS",
    callback=_seconds,
    help="Of films: short pieces, spread over each, so many seconds in all (10s), as "
    "NAME.preview.mp4, to judge by.",
)
@click.option(
    "--preserve-times", is_flag=True, help="Give copies the dates of the originals."
)
@provenance_option
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file for what became of each picture: a line of JSON each.",
)
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A contact sheet to write, grey | ours | true, of the first pictures.",
)
@click.option(
    "--shard",
    metavar="I/N",
    help="Colour the I-th of N parts of the pictures, for N machines at once; `auto` "
    "asks SLURM, `auto/N` a Kubernetes Indexed Job.",
)
@json_option
@verbosity_options
@runtime_option
@precision_option
@max_megapixels_option
@click.option(
    "--max-memory",
    type=click.FloatRange(min=0),
    default=float(MAX_MEMORY),
    show_default=True,
    metavar="MB",
    help="For pixels in flight; a picture that needs more is done strip by strip.",
)
def predict(
    paths: tuple[str, ...],
    output: str | None,
    named: Path | None,
    points: tuple[str, ...],
    shard: str | None,
    precision: str,
    runtime: str,
    provenance: bool,
    max_memory: float,
    **options: Any,
) -> None:
    """Colour pictures and films, or all of a folder, into OUTPUT.

    INPUT is a picture, a film or a folder, which is searched recursively and whose tree
    is mirrored; of several, folders keep their names in OUTPUT. OUTPUT is a folder, or
    for a single picture a file; left out, a.jpg becomes a.colorized.jpg beside it.

    The originals are not touched; colour pictures count as grey ones. Pictures that
    OUTPUT holds already are skipped, so a stopped command goes on when it is run again.

    \b
    colorize predict scans/ coloured/
    colorize predict *.jpg coloured/
    colorize predict portrait.jpg coloured/portrait.png --saturation 1.2
    colorize predict portrait.jpg coloured/ --hint "0.5,0.8=#3b5f8a"
    colorize predict portrait.jpg coloured/ --variants 4         # to choose from
    colorize predict scans/ coloured/ --reference uniform.jpg
    colorize predict scans/ sheets/ --compare          # to choose by looking
    colorize predict scans/ coloured/ --report done.jsonl --preserve-times
    colorize predict - - < grey.jpg > coloured.jpg
    """  # noqa: D301
    flags = Flags(**{name: options.pop(name) for name in Flags._fields})
    film_flags = FilmFlags(**{name: options.pop(name) for name in FilmFlags._fields})
    with command_errors():
        check_finite({**options, "max_memory": max_memory})
        part = shards.shard(shard, os.environ) if shard else (1, 1)
        places = _Places.named(paths, output)
        if places.piped:
            _check_stream(places, flags, options, shard)
            total = 1
        else:
            options["first_frame"] |= flags.compare  # sheets are of pictures
            naming = {name: options[name] for name in ("format", "first_frame")}
            places = places.completed(**naming)
            total = _check_files(places, flags, naming, part)
        if flags.compare:
            options["format"] = "png"
        single = places.piped or (len(places.inputs) == 1 and total == 1)
        options["variants"] = options["variants"] or 0
        _check_told(options, piped=places.piped)
        options |= _hints(points, options["hints_folder"], single=single)
        model = model_path(named)
    with command_errors(lambda: "stopped; run the same command again for the rest"):
        from colorize.colorizer import Colorizer

        if runtime == "auto" and model == run_folder.SHIPPED and not places.piped:
            runtime = _chosen_runtime(places, precision, part, total)
        network = _network(named, model, precision, runtime, options)
        settings = _settings(model, network, provenance, int(max_memory * 1e6), options)
        colorizer = Colorizer(network)
        if places.piped:
            _predict_stream(colorizer, places, settings)
            return
        failed = _predict_files(
            colorizer, places, settings, flags, film_flags, part, total
        )
    if failed:
        raise SystemExit(1)


def _chosen_runtime(
    places: "_Places", precision: str, part: tuple[int, int], total: int
) -> str:
    """Return what shall run the weights that come with colorize, for all pictures.

    What coloured those that OUTPUT holds already goes on; all shards choose alike.
    """
    from colorize.prediction import places as checking
    from colorize.runtimes import choice

    noted = finding.noted_runtime(places.target)
    if noted in config.RUNTIMES and choice.can_run(noted, precision):
        return noted
    pictures = total
    if part != (1, 1):
        pictures = checking.count(places.sources, places.target)
    return choice.choose("auto", precision, pictures)


def _network(
    named: Path | None,
    model: Path,
    precision: str,
    runtime: str,
    options: dict[str, Any],
) -> "Network":
    """Return the opened model.

    Raises:
        UsageError: it takes no hints, or no other size, and is asked to.
    """
    from colorize import runtimes

    network = runtimes.open_network(model, precision, runtime=runtime)
    if not network.takes_hints and (
        options.get("hints") or options.get("hints_folder")
    ):
        raise UsageError(
            f"{named or 'default'}: this model takes no hints; train one that does "
            "by colorize train --model gamma"
        )
    needs = {"reference": ["features"], "variants": ["logits", "features"]}
    for name, needed in needs.items():
        if options[name] and not set(needed) <= set(network.also):
            raise UsageError(
                f"--{name}: {named or 'default'} says nothing of what else a picture "
                "could be; train a model that does by colorize train --model gamma"
            )
        if options[name] and not network.takes_hints:
            raise UsageError(f"--{name}: {named or 'default'} takes no hints")
    runtimes.check_size(network, options["size"])
    return network


def _settings(
    model: Path,
    network: "Network",
    provenance: bool,
    max_memory: int,
    options: dict[str, Any],
) -> "Settings":
    """Return how pictures are coloured, from the flags of the same names."""
    from colorize.prediction.job import Origin, Settings

    size = options["size"] or network.size
    settings = Settings(
        **{**options, "size": size}, max_memory=max_memory, runtime=network.runtime
    )
    if not provenance:
        return settings
    origin = Origin.of(model, network)
    return dataclasses.replace(settings, provenance=origin.provenance(settings))


def _hints(
    points: tuple[str, ...], folder: Path | None, *, single: bool
) -> dict[str, Any]:
    """Return the settings of hints: those of the only picture, and a folder of them.

    Raises:
        UsageError: hints of one picture would be those of several.
        ColorizeError: a file is not one of hints.
    """
    if not points and folder is None:
        return {}
    if folder is not None and not folder.exists():
        raise UsageError(f"--hints {folder}: no such file or folder")
    from colorize import hints

    typed = hints.Hints(tuple(map(hints.parse, points)), sources=points)
    if points and not single:
        raise UsageError("--hint is for a single picture; of several: --hints FOLDER")
    if folder is None or folder.is_dir():
        return {"hints": typed if points else None, "hints_folder": folder}
    if not single:
        raise UsageError(f"--hints {folder}: a file is for one picture; name a folder")
    return {"hints": hints.joined(hints.read(folder), typed), "hints_folder": None}


def _check_told(options: dict[str, Any], *, piped: bool) -> None:
    """Raise UsageError for a reference that is not there, or variants of a stream."""
    reference = options["reference"]
    if reference is not None and not reference.exists():
        raise UsageError(f"--reference {reference}: no such file or folder")
    if piped and options["variants"]:
        raise UsageError("--variants does not go with -, a single picture")
    for name in ("reference", "hints_folder"):
        if piped and options[name] is not None and options[name].is_dir():
            flag = name.removesuffix("_folder")
            raise UsageError(f"--{flag} {options[name]}: name a file, for one picture")
    if reference is not None and not reference.is_dir():
        from colorize import references

        references.read(reference)


def _is_stream(name: str) -> bool:
    """Return whether a name stands for a stream, as `-` and `<(command)` do."""
    path = Path(name)
    return name == _STANDARD or path.is_fifo() or path.is_char_device()


@dataclass(frozen=True)
class _Places:
    """What the user has named.

    Attributes:
        inputs: pictures and folders.
        output: a folder or a file; empty for a copy beside the only input.
        guessed: whether the output is so only because it was named last.
        beside: whether the output is a copy beside the input, as none was named.
    """

    inputs: tuple[str, ...]
    output: str
    guessed: bool = False
    beside: bool = False

    @classmethod
    def named(cls, paths: tuple[str, ...], output: str | None) -> "_Places":
        """Return which of the paths are inputs, and which is the output.

        Raises:
            UsageError: there is no input.
        """
        if not paths:
            raise UsageError("name a picture, or a folder and one for the copies last")
        if output is not None:
            return cls(paths, output)
        if len(paths) > 1:
            return cls(paths[:-1], paths[-1], guessed=True)
        return cls(paths, _STANDARD if paths[0] == _STANDARD else "")

    @property
    def piped(self) -> bool:
        """Return whether a picture comes from a stream or goes to one."""
        return any(map(_is_stream, (*self.inputs, self.output)))

    @property
    def sources(self) -> list[Path]:
        """Return the inputs as paths."""
        return list(map(Path, self.inputs))

    @property
    def target(self) -> Path:
        """Return the output as a path."""
        return Path(self.output)

    def completed(self, format: str, *, first_frame: bool) -> "_Places":
        """Return the same, with an output.

        Raises:
            UsageError: what goes beside the input is there already, or the input is a
                folder.
        """
        from colorize.prediction import places

        if self.output:
            return self
        copy = places.beside(self.sources[0], format, first_frame=first_frame)
        return dataclasses.replace(self, output=str(copy), beside=True)


def _check_stream(
    places: _Places, flags: Flags, options: dict[str, Any], shard: str | None
) -> None:
    """Raise UsageError for what makes no sense where a picture is piped through."""
    asked = {**flags._asdict(), "shard": shard}
    asked |= {name: options[name] for name in ("preserve_times", "skip_colour")}
    for name, value in asked.items():
        if value:
            flag = "--json" if name == "as_json" else f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} does not go with -, a single picture")
    (source, *more), output = places.inputs, places.output
    if more or Path(source).is_dir() or places.target.is_dir():
        raise UsageError("- is for a single picture, not for several or a folder")
    if not output:
        raise UsageError("name the output last")
    if not _is_stream(source) and not Path(source).is_file():
        raise UsageError(f"{source}: no such file")
    if output == _STANDARD and _is_terminal():
        raise UsageError(
            "the picture would go to the terminal; name a file, or > coloured.jpg"
        )
    if not _is_stream(output):
        check_target(places.target, overwrite=options["overwrite"])
        if options["format"] == "keep":
            formats.suffix_of(places.target)


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def _check_files(
    places: _Places, flags: Flags, naming: dict[str, Any], part: tuple[int, int]
) -> int:
    """Check what is named, before anything slow; return how many pictures there are.

    Raises:
        UsageError: it makes no sense.
        ColorizeError: there are no pictures.
    """
    from colorize.prediction import places as checking

    sources, target = places.sources, places.target
    if flags.compare and checking.is_file_name(target):
        raise UsageError("--compare writes several sheets: name a folder")
    if not places.beside:
        checking.check_output(sources, target, guessed=places.guessed, **naming)
    _check_sheet_and_report(flags)
    passed_over: Counter[str] = Counter()
    try:
        return checking.count(sources, target, part, passed_over)
    finally:
        if passed_over:
            counts = [f"{kind} ({n:,})" for kind, n in sorted(passed_over.items())]
            say(f"not taken: {', '.join(counts)}")


def _check_sheet_and_report(flags: Flags) -> None:
    """Raise UsageError where a sheet or a report would replace something else."""
    from colorize.pictures import sheets

    if (sheet := flags.sheet) is not None:
        formats.suffix_of(sheet)
        if sheet.exists() and not sheets.is_sheet(sheet):
            raise UsageError(
                f"{sheet}: there already, and not marked as a sheet of colorize's; "
                "name another file, or delete it"
            )
    if (report := flags.report) is not None:
        if formats.is_picture(report.name) or formats.is_film(report.name):
            raise UsageError(f"{report}: a picture's name; reports are lines of JSON")
        if not is_report(report):
            raise UsageError(
                f"{report}: there already, and no report of colorize's; name another"
            )


def _predict_stream(
    colorizer: "Colorizer", places: _Places, settings: "Settings"
) -> None:
    """Colour standard input, or into standard output."""
    from colorize.prediction import steps

    (source,), target = places.inputs, places.target
    if source == _STANDARD:
        data = sys.stdin.buffer.read()
    else:
        data = Path(source).read_bytes()
    streamed = _is_stream(places.output)
    if not streamed and settings.format == "keep":
        settings = dataclasses.replace(settings, format=formats.format_of(target))
    copy, lost = steps.predict_bytes(colorizer, data, settings)
    for warning in lost:
        say(f"{source}: {warning}")
    if places.output == _STANDARD:
        _write_all(sys.stdout.buffer, copy)
    elif streamed:
        target.write_bytes(copy)
    else:
        files.make_folder(target.parent)
        with files.atomic(target) as part:
            part.write_bytes(copy)


def _write_all(file: BinaryIO, data: bytes) -> None:
    """Write all of something, also where a file without a buffer takes a part."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
    file.flush()


def _predict_files(
    colorizer: "Colorizer",
    places: _Places,
    settings: "Settings",
    flags: Flags,
    film_flags: FilmFlags,
    part: tuple[int, int],
    total: int,
) -> int:
    """Colour files, or what is asked for instead; return how many failed."""
    from colorize.prediction import contact_sheets, pipeline
    from colorize.prediction.places import is_file_name, plan, several

    target = places.target

    still = settings.first_frame or flags.dry_run

    def jobs(*, moving: bool) -> Iterator["Job"]:
        first_frame = settings.first_frame
        planned = plan(
            places.sources, target, settings.format, part, first_frame=first_frame
        )
        those = (job for job in planned if _is_moving(job, still=still) == moving)
        numbered = 0 if moving or flags.compare else settings.variants
        yield from several(those, numbered)

    def outcomes() -> Generator["Job"]:
        way = contact_sheets.compare if flags.compare else pipeline.predict
        with contextlib.closing(way(colorizer, jobs(moving=False), settings)) as done:
            yield from done
        if not flags.compare:
            yield from color_films(colorizer, jobs(moving=True), settings, film_flags)

    if (flags.dry_run or flags.compare) and any(jobs(moving=True)):
        say("films are left out of this")
    if flags.dry_run:
        _survey(colorizer, jobs(moving=False), settings, flags.as_json, total)
        return 0
    if not is_file_name(target):
        files.make_folder(target)
        finding.mark_as_copies(target, settings.runtime)
    results = Results(target, flags, settings)
    with contextlib.closing(outcomes()) as done:
        copies = 1 if flags.compare else settings.variants or 1
        results.collect(done, total * copies)
    if flags.sheet is not None and results.first:
        contact_sheets.write_sheet(results.first, flags.sheet)
    if settings.hints_folder is not None and part == (1, 1):
        _name_unused_hints(settings.hints_folder, places, settings)
    return results.counts["failed"]


def _name_unused_hints(folder: Path, places: _Places, settings: "Settings") -> None:
    """Say which files of hints belong to no picture: their names may be wrong."""
    from colorize import hints
    from colorize.prediction.places import plan

    jobs = plan(places.sources, places.target, settings.format, (1, 1))
    unused = hints.unused(folder, {job.name for job in jobs})
    if unused:
        more = f" and {len(unused) - 3} more" if len(unused) > 3 else ""
        say(f"hints that match no picture: {', '.join(unused[:3])}{more}")


def _is_moving(job: "Job", *, still: bool) -> bool:
    """Return whether a job is a film, or an animation unless these count as still."""
    if formats.is_film(job.input.name):
        return True
    return not still and frame_counts.stays_animated(job.input, job.output)


def _survey(
    colorizer: "Colorizer",
    jobs: Iterator["Job"],
    settings: "Settings",
    as_json: bool,
    total: int,
) -> None:
    """Print what predicting would do."""
    from colorize.prediction.dry_run import survey

    with progress_bar(total, "looking") as bar:
        result = survey(colorizer, advancing(jobs, bar), settings)
    if as_json:
        print_json(dataclasses.asdict(result))
    else:
        click.echo(result.describe())
