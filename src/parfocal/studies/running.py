"""Runs a study: its stacks, then its cases, several at a time; keeps each case as soon as it is done.

``OUT/data`` holds stacks, ``OUT/NAME/SIZE`` a file for each case that is done and the work of those that are
not, ``OUT/NAME/results.json`` all cases with the machine and the time. A case whose file is there, and was
made from the same values, is not run again: a study that was stopped goes on, a training at its checkpoint.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from parfocal.compute import run_tasks
from parfocal.data.whole_file import write_whole_text
from parfocal.errors import InputError, OutputError
from parfocal.evaluation.json_text import json_text
from parfocal.model import find_model
from parfocal.studies.machine import machine
from parfocal.studies.paper_network import paper_recipe
from parfocal.studies.stocks import facts_of, make_stocks
from parfocal.studies.study import Case, Place, Results, Run, Size, Study, Told, longest_first

DATA, CASES, WORK, RESULTS_FILE = "data", "cases", "work", "results.json"
FORMAT = 1
"""Of ``results.json``: what another version wrote is not shown, but run again."""
SHIPPED_MODELS = ("bright-field", "bright-field-high-na")
Watch = Callable[[str, float, str], None]
"""Is told (name of the step, fraction done, a few words)."""


@dataclass(frozen=True)
class _Task:
    """One case on its way to a worker."""

    run: Run
    case: Case
    place: Place


def run_study(
    study: Study,
    out: Path,
    *,
    size: Size = "paper",
    workers: int = 1,
    scheduler: str | None = None,
    watch: Watch = lambda step, fraction, words: None,
) -> Results:
    """Runs what is not done yet of a study, and writes its ``results.json``.

    Parameters
    ----------
    study : Study
    out : Path
        Folder of all studies. ``results.json`` of another size is replaced; its cases stay.
    size : str
    workers, scheduler
        See `parfocal.compute.run_tasks`; a scheduler's workers must see `out`.
    watch : callable, optional

    Raises
    ------
    OutputError
        If the folder cannot be written.
    ParfocalError
        Whatever a case raises. Cases that are done stay done.
    """
    started, out = time.monotonic(), out.resolve()  # workers may have another current folder
    kept = out / study.name / size / CASES
    _make(kept)
    stocks = make_stocks(
        study.stocks(size),
        out / DATA,
        workers=workers,
        scheduler=scheduler,
        watch=lambda fraction, words: watch("simulate", fraction, words),
    )
    cases = study.cases(size)
    keys = {case.name: _key(study, case, size, stocks) for case in cases}
    left = [case for case in longest_first(cases) if _read(kept, case.name, keys[case.name]) is None]
    work = out / study.name / size / WORK
    tasks = [_Task(study.run, case, Place(size, stocks, work / keys[case.name])) for case in left]
    with closing(run_tasks(_run, tasks, workers=workers, scheduler=scheduler)) as done:
        for n, (k, told) in enumerate(done, start=1):
            name = left[k].name
            write_whole_text(kept / f"{name}.json", json_text({"key": keys[name], **told}))
            shutil.rmtree(work / keys[name], ignore_errors=True)  # a result that is on its way can be lost
            watch("run", n / len(left), f"{name}: {n} of {len(left)} cases")
    shutil.rmtree(work, ignore_errors=True)  # empty by now, but for what older settings left
    return _written(
        study,
        out,
        size=size,
        keys=keys,
        about={
            **machine(),
            "workers": workers if scheduler is None else None,
            "last_run_seconds": round(time.monotonic() - started, 1),
            "stocks": {name: facts_of(folder) for name, folder in stocks.items()},
        },
    )


def read_results(out: Path, study: Study) -> tuple[Results, Told]:
    """What a study gave, and what it was run on.

    Raises
    ------
    InputError
        If it was not run in this folder.
    """
    path = out / study.name / RESULTS_FILE
    if not path.exists():
        raise InputError(f"{path}: there is no such file. Run 'parfocal study {study.name}' first.")
    told: Told = json.loads(path.read_text(encoding="utf-8"))
    return Results(told["size"], told["cases"]), {**told["about"], "how": told["how"]}


def _run(task: _Task) -> Told:
    started, busy = time.monotonic(), time.process_time()
    task.place.work.mkdir(parents=True, exist_ok=True)
    told = task.run(task.case, task.place)
    return {
        **task.case.values,
        **told,
        "case_seconds": round(time.monotonic() - started, 2),
        "case_processor_seconds": round(time.process_time() - busy, 2),
    }


def _written(
    study: Study,
    out: Path,
    *,
    size: Size,
    keys: Mapping[str, str],
    about: Told,
) -> Results:
    kept = out / study.name / size / CASES
    cases = {name: told for name, key in keys.items() if (told := _read(kept, name, key)) is not None}
    results = Results(size, cases)
    values = {
        "format": FORMAT,
        "study": study.name,
        "size": size,
        "how": study.how(size),
        "about": {
            **about,
            "processor_seconds": round(sum(told["case_processor_seconds"] for told in cases.values()), 1),
        },
        "findings": [asdict(finding) for finding in study.findings(results)],
        "cases": cases,
    }
    write_whole_text(out / study.name / RESULTS_FILE, json_text(values))
    return results


def _read(kept: Path, name: str, key: str) -> Told | None:
    path = kept / f"{name}.json"
    if not path.exists():
        return None
    told: Told = json.loads(path.read_text(encoding="utf-8"))
    return told if told.pop("key") == key else None


def _key(study: Study, case: Case, size: Size, stocks: Mapping[str, Path]) -> str:
    stacks = sorted(path.name for path in stocks.values())
    made_of: list[Any] = [
        *(study.name, study.how(size), dict(case.values), stacks),
        paper_recipe(size).model_dump(mode="json"),
        *(sha256(find_model(name).read_bytes()).hexdigest() for name in SHIPPED_MODELS),
    ]
    return sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:12]


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror}). Choose another --out.") from error


def studies_in(out: Path, studies: Sequence[Study]) -> Iterator[Study]:
    """Those of some studies that this version ran in a folder."""
    return (study for study in studies if _is_readable(out / study.name / RESULTS_FILE))


def _is_readable(path: Path) -> bool:
    return path.exists() and json.loads(path.read_text(encoding="utf-8")).get("format") == FORMAT
