"""The command line as a whole: its verbs, and how each of its ends is told and numbered."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from types import FrameType
from typing import Annotated, Any

import typer

from parfocal.cli import acquire, datasets, demo, evaluation, learning_curve, lock, models, runs, studies
from parfocal.cli.terminal import note, say
from parfocal.errors import InputError, ParfocalError

INTERRUPTED = 130
"""What shells give a program that Ctrl-C ended."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.command()(demo.demo)
app.command()(datasets.simulate)
app.command("import")(datasets.import_)
app.command()(models.train)
app.command()(models.calibrate)
app.command()(evaluation.evaluate)
app.command()(models.estimate)
app.command("learning-curve")(learning_curve.learning_curve)
app.command()(lock.lock)
app.command("acquire-run")(acquire.acquire_run)
app.add_typer(runs.app, name="runs")
app.add_typer(studies.app, name="study")


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"parfocal {version('parfocal')}")
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Learn microscope focus from z-stacks, then hold it from single images.

    A verb ends with 0 on success, 2 on bad input, 1 on failure, and 130 when it was interrupted.
    """


def main() -> None:
    """Runs the command line and exits: 0 on success, 2 on bad input, 1 on failure, 130 when interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a path that the terminal cannot show is no reason to stop
            stream.reconfigure(errors="backslashreplace")
    # One thread, unless the user says otherwise: where anything else runs, two are several times slower.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with _ended_like_ctrl_c():
        sys.exit(_run(sys.argv[1:] or ["--help"]))


def _run(arguments: list[str]) -> int:
    try:
        code: Any = app(arguments, prog_name="parfocal", standalone_mode=False)
    except typer.TyperException as error:
        said = error.format_message().rstrip(".")
        return _told(f"{said}. See 'parfocal --help'.", code=error.exit_code)
    except InputError as error:
        return _told(str(error), code=2)
    except ParfocalError as error:
        return _told(str(error), code=1)
    except OSError as error:  # a full disk, say: nobody at the keyboard can use a traceback
        where = f"{error.filename}: " if error.filename else ""
        return _told(f"{where}{error.strerror or error}.", code=1)
    except KeyboardInterrupt:
        code = INTERRUPTED
    return _told("interrupted", code=INTERRUPTED) if code == INTERRUPTED else int(code or 0)


def _told(message: str, *, code: int) -> int:
    one_line = " ".join(line.strip() for line in message.splitlines())
    note(one_line, name="parfocal: ")
    return code


@contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """A batch system's or a closing terminal's signal saves and stops just as Ctrl-C does."""
    names = ("SIGTERM", "SIGHUP", "SIGBREAK")
    numbers = [number for name in names if (number := getattr(signal, name, None)) is not None]
    # One that is ignored, as under nohup, stays so.
    before = {number: signal.getsignal(number) for number in numbers}
    ours = [number for number in numbers if before[number] is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)
