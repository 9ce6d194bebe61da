"""What people type after `colorize predict`, and what they get."""

import importlib
import io
import json
import os
import re
import signal
import threading
import time

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from colorize import runtimes, signals
from colorize.cli import cli
from colorize.prediction import pipeline


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def handlers():
    """A command leaves this process's signals as they were."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def pictures(tmp_path, draw):
    """`a.jpg`, `b.jpg` and `more/a.jpg`, grey."""
    (tmp_path / "more").mkdir()
    names = ("a.jpg", "b.jpg", "more/a.jpg")
    for seed, name in enumerate(names):
        Image.fromarray(draw(40, 50, seed)).convert("L").save(tmp_path / name)
    return {name: (tmp_path / name).read_bytes() for name in names}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A network that needs no opening: what is typed matters here, not colours."""

    class Flat:
        stride, size, fixed, precision, takes_hints = 8, 64, None, "float32", False
        runtime = "flat"

        def __call__(self, lightness, hints=None):
            return np.full((*lightness.shape[:3], 2), 20, np.float32)

    monkeypatch.setattr(runtimes, "open_network", lambda model, precision, **_: Flat())


def run(*arguments, **options):
    return CliRunner().invoke(cli, [str(a) for a in arguments], **options)


def written(folder):
    return {
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if p.is_file() and not p.name.startswith(".")
        if "cache-home" not in p.parts
    }


@pytest.mark.parametrize("command", [("predict",), ()])
def test_a_picture_alone_gets_a_copy_beside_it(command, pictures, tmp_path):
    result = run(*command, "a.jpg")
    assert result.exit_code == 0, result.output
    assert "a.colorized.jpg" in result.stderr
    assert written(tmp_path) == {*pictures, "a.colorized.jpg"}
    copy = (tmp_path / "a.colorized.jpg").read_bytes()
    for flags in ((), ("--overwrite",)):
        result = run(*command, "a.jpg", *flags)
        assert result.exit_code == 2
        assert "a.colorized.jpg: there already" in result.stderr
    assert (tmp_path / "a.colorized.jpg").read_bytes() == copy
    result = run(*command, "a.jpg", "--format", "png")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "a.colorized.png").is_file()


@pytest.mark.parametrize(
    "arguments",
    [("a.jpg", "b.jpg", "out"), ("-o", "out", "a.jpg", "b.jpg"), ("out.d", "out")],
)
def test_the_last_of_several_is_the_output(arguments, pictures, tmp_path):
    (tmp_path / "out.d").mkdir()  # a name with a dot is a folder
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "out.d" / name).write_bytes(pictures[name])
    result = run("predict", *arguments)
    assert result.exit_code == 0, result.output
    assert written(tmp_path / "out") == {"a.jpg", "b.jpg"}


def test_of_several_inputs_folders_keep_their_names(pictures, tmp_path):
    result = run("predict", "a.jpg", "more", "out.2024")
    assert result.exit_code == 0, result.output
    assert written(tmp_path / "out.2024") == {"a.jpg", "more/a.jpg"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "name a picture"),
        ("more", "more: a folder; name one for the copies last"),
        ("a.jpg b.jpg", "b.jpg: a picture there already"),
        ("a.jpg b.jpg --overwrite", "name a folder last"),
        ("a.jpg b.jpg more/a.jpg", "name a folder last"),
        ("a.jpg b.jpg new.jpg", "name a folder last"),
        ("more new.jpg", "name a folder last"),
        ("a.jpg more/a.jpg out", "a.jpg and more/a.jpg would both become out/a.jpg"),
        ("a.jpg ./a.jpg out", "a.jpg: named twice"),
        ("more ../NAME/more out", "named twice"),
        ("a.jpg nowhere.jpg out", "nowhere.jpg: no such file or folder"),
        ("a.jpg out.heic", "not written as .heic"),
        ("more out.psd", "not written as .psd"),
        ("a.jpg b.jpg out.jxl", "not written as .jxl"),
        ("- b.jpg out", "- is for a single picture"),
        ("- - --json", "--json does not go with -"),
        ("- - --skip-colour", "--skip-colour does not go with -"),
        ("./- out", "-: no such file or folder"),
    ],
)
def test_what_is_typed_wrongly_writes_nothing(arguments, message, pictures, tmp_path):
    arguments = arguments.replace("NAME", tmp_path.name)
    result = run("predict", *arguments.split(), input=pictures["a.jpg"])
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert {n: (tmp_path / n).read_bytes() for n in written(tmp_path)} == pictures


def test_a_copy_that_says_so_may_be_named_as_output_again(pictures, tmp_path):
    for flags, outcome in (
        ((), "coloured"),
        ((), "skipped"),
        (("--overwrite",), "colo"),
    ):
        result = run("predict", "a.jpg", "copy.jpg", *flags)
        assert result.exit_code == 0, result.output
        assert outcome in result.stderr
    result = run("predict", "a.jpg", "-o", "b.jpg", "--overwrite")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "b.jpg").read_bytes() != pictures["b.jpg"]


def test_a_report_goes_on_where_the_command_was_stopped(pictures, tmp_path):
    command = ("predict", "more", "out", "--report", "done.jsonl")
    run(*command)
    first = (tmp_path / "done.jsonl").read_text()
    (tmp_path / "more" / "bad.jpg").write_text("text")
    run(*command)
    with_bad = (tmp_path / "done.jsonl").read_text()
    assert with_bad.startswith(first) and with_bad.count("\n") == 2
    (tmp_path / "done.jsonl").write_text(first + '\0\0\n{"name": "cut')
    (tmp_path / "more" / "bad.jpg").unlink()
    (tmp_path / "more" / "b.jpg").write_bytes(pictures["b.jpg"])
    run(*command, "--sheet", "sheet.png")
    again = (tmp_path / "done.jsonl").read_text()
    assert again.startswith(first) and again.count("\n") == 3 and "skipped" not in again
    (tmp_path / "out" / "b.jpg").unlink()
    (tmp_path / "more" / "b.jpg").write_text("text")  # coloured once, it fails now
    run(*command)
    lines = (tmp_path / "done.jsonl").read_text().removeprefix(again)
    assert json.loads(lines)["outcome"] == "failed"
    (tmp_path / "more" / "b.jpg").write_bytes(pictures["b.jpg"])
    (tmp_path / "done.jsonl").write_text(first[:9])
    assert run(*command).exit_code == 0
    assert run(*command[:-1], os.devnull).exit_code == 0
    run(*command, "--overwrite", "--sheet", "sheet.png")
    assert (tmp_path / "done.jsonl").read_text().count("coloured") == 2


def test_a_pipe_among_pictures_is_passed_over(pictures, tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes with names on this system")
    os.mkfifo(tmp_path / "more" / "z.jpg")
    result = run("predict", "more", "out")
    assert result.exit_code == 0 and written(tmp_path / "out") == {"a.jpg"}
    assert "not taken: pipes and devices (1)" in result.stderr


def test_a_copy_is_written_whole_where_output_has_no_buffer(pictures):
    class Pipe(io.RawIOBase):
        data = b""

        def write(self, part):
            self.data += bytes(part[:1000])
            return min(len(part), 1000)

    pipe = Pipe()
    importlib.import_module("colorize.cli.predict")._write_all(
        pipe, bytes(range(256)) * 20
    )
    assert pipe.data == bytes(range(256)) * 20


def test_a_copy_of_another_photo_or_model_is_not_passed_off_as_this_one_s(
    pictures, tmp_path
):
    assert run("predict", "a.jpg", "copy.jpg").exit_code == 0
    before = (tmp_path / "copy.jpg").read_bytes()
    for arguments, said in (
        (("a.jpg",), ""),
        (("b.jpg",), "made of another file, or of this one before it was changed"),
        (("a.jpg", "--size", "128"), "made with another size"),
        (("b.jpg", "--size", "128"), "changed and with another size"),
    ):
        result = run("predict", *arguments, "copy.jpg")
        assert result.exit_code == 0 and "skipped" in result.stderr
        assert said in result.stderr and bool(said) == ("made" in result.stderr)
        assert (tmp_path / "copy.jpg").read_bytes() == before
    for photo, outcome in (("b.jpg", "1 there already"), ("a.jpg", "made again")):
        result = run("predict", photo, "copy.jpg", "--saturation", "0.5")
        assert outcome in result.stderr


def test_our_own_output_is_left_alone(pictures, tmp_path):
    run("predict", "more", "old")
    run("a.jpg")
    (tmp_path / "c.psd").write_bytes(b"8BPS")
    (tmp_path / "notes.txt").write_text("no picture")
    result = run("predict", ".", "new")
    assert written(tmp_path / "new") == {"a.jpg", "b.jpg", "more/a.jpg"}
    (line,) = re.findall("not taken: .*", result.stderr)
    assert line == (
        "not taken: .colorized.jpg (1), .psd (1), folders of colorize's copies (1)"
    )
    # Named itself, it is an input as any other.
    assert run("predict", "old", "again").exit_code == 0
    assert written(tmp_path / "again") == {"a.jpg"}


def test_a_folder_with_the_user_s_pictures_is_not_marked_as_ours(pictures, tmp_path):
    run("predict", "b.jpg", "more")
    assert written(tmp_path / "more") == {"a.jpg", "b.jpg"}
    run("predict", ".", "out")
    assert "more/a.jpg" in written(tmp_path / "out")


def test_quiet_says_errors_only_and_verbose_every_picture(pictures, tmp_path):
    (tmp_path / "more" / "bad.jpg").write_text("text")
    result = run("predict", "more", "out", "--quiet")
    assert result.exit_code == 1
    assert result.stderr.startswith("bad.jpg: failed: not a picture")
    assert result.output.count("\n") == 1
    assert "a.jpg" not in run("predict", "more", "out2").stderr
    assert "a.jpg: coloured: out3/a.jpg" in run("predict", "more", "out3", "-v").stderr


def test_json_has_counts_and_the_lines_of_the_report(pictures, tmp_path):
    (tmp_path / "more" / "bad.jpg").write_text("text")
    result = run("predict", "more", "out", "--json", "--report", "done.jsonl")
    assert result.exit_code == 1
    results = json.loads(result.stdout)
    lines = (tmp_path / "done.jsonl").read_text().splitlines()
    assert results["pictures"] == list(map(json.loads, lines))
    assert results["counts"] == {
        "coloured": 1,
        "skipped": 0,
        "failed": 1,
        "with_warnings": 0,
    }
    looked = json.loads(run("predict", "more", "new", "--json", "--dry-run").stdout)
    assert looked["counts"] == {"coloured": 1, "failed": 1}


@pytest.mark.parametrize("number", signals.ENDING)
def test_signals_end_it_with_what_is_done_counted(number, pictures, monkeypatch):
    predict = pipeline.predict

    def interrupted(*arguments):
        yield next(events := predict(*arguments))
        os.kill(os.getpid(), number)
        time.sleep(5)
        events.close()

    monkeypatch.setattr(pipeline, "predict", interrupted)
    result = run("predict", "a.jpg", "b.jpg", "out")
    assert result.exit_code == 128 + number, result.output
    assert "stopped; run the same command again" in result.stderr
    assert re.search(r"^coloured +1$", result.stderr, re.MULTILINE)


def test_a_pipe_may_be_named_as_input(pictures, tmp_path):
    os.mkfifo("in.pipe")
    feeder = threading.Thread(
        target=lambda: (tmp_path / "in.pipe").write_bytes(pictures["a.jpg"])
    )
    feeder.start()
    result = run("predict", "in.pipe", "c.jpg")
    feeder.join()
    assert result.exit_code == 0, result.output
    with Image.open("c.jpg") as image:
        assert image.size == (50, 40)


def test_a_picture_is_not_sent_to_a_terminal(pictures, monkeypatch):
    monkeypatch.setattr("colorize.cli.predict._is_terminal", lambda: True)
    result = run("predict", "a.jpg", "-")
    assert result.exit_code == 2 and "terminal" in result.stderr
    assert not result.stdout


def test_a_file_called_minus_is_a_file(pictures, tmp_path):
    (tmp_path / "-").write_bytes(pictures["a.jpg"])
    result = run("predict", "./-", "out.jpg")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out.jpg").is_file()
