"""The command line in this process, through its real entry point."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from parfocal.cli import main


@dataclass(frozen=True)
class Finished:
    """How a command ended, and what it printed on its two streams."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line that it ended with."""
        return self.err.splitlines()[-1] if self.err else ""


Parfocal = Callable[..., Finished]


def run_parfocal(*arguments: object) -> Finished:
    """What ``parfocal ARGUMENTS`` does, through its real entry point; a lock has no page unless told."""
    if arguments[:1] == ("lock",) and not {"--page", "--help"} & set(arguments):
        arguments = (*arguments, "--no-page")
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["parfocal", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
    return Finished(int(end.value.code or 0), out.getvalue(), err.getvalue())
