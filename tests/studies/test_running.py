"""Studies run: each case once, kept as soon as it is done, and shown from what was kept."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from parfocal.errors import InputError, OutputError, ParfocalError
from parfocal.studies.page import write_page
from parfocal.studies.running import RESULTS_FILE, read_results, run_study
from parfocal.studies.study import (
    Case,
    Drawn,
    Finding,
    Place,
    Results,
    Size,
    Stock,
    Study,
    Table,
    Told,
    longest_first,
)


def run_square(case: Case, place: Place) -> Told:
    """The square of a number; it leaves a mark where it runs, and fails while a file says so."""
    (place.work / "scratch.txt").write_text("gone afterwards", encoding="utf-8")
    with Path(case.values["log"]).open("a", encoding="utf-8") as log:
        log.write(f"{case.name}\n")
    if Path(case.values["log"]).with_name(f"fail-{case.name}").exists():
        raise ParfocalError(f"{case.name} fails.")
    return {"square": case.values["n"] ** 2, "work": str(place.work)}


def run_killed_once(case: Case, place: Place) -> Told:
    """As `run_square`; but the first time its worker is killed, as by a system short of memory."""
    told = run_square(case, place)
    marker = Path(case.values["log"]).with_name(f"killed-{case.name}")
    if case.values["n"] == 2 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return told


def squares(log: Path, numbers: Sequence[int] = (1, 2, 3)) -> Study:
    def cases(size: Size) -> Sequence[Case]:
        return [Case(f"n-{n}", {"n": n, "log": str(log)}, cost=n) for n in numbers]

    def stocks(size: Size) -> Sequence[Stock]:
        return ()

    def figures(results: Results) -> Mapping[str, Drawn]:
        figure = Figure()
        figure.subplots().plot([told["square"] for told in results.cases.values()])
        return {"squares": Drawn(figure, "Squares & <their> caption.")}

    def table(results: Results) -> Table:
        return Table(("n", "square"), [(str(t["n"]), str(t["square"])) for t in results.cases.values()])

    def findings(results: Results) -> Sequence[Finding]:
        return [Finding("Squares grow.", f"Up to {results['n-3']['square']}.", "agrees")]

    return Study(
        name="squares",
        title="Squares",
        paper="none",
        question="How large are they?",
        stocks=stocks,
        cases=cases,
        run=run_square,
        figures=figures,
        table=table,
        findings=findings,
        how=lambda size: f"At size {size}.",
    )


def ran(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8").split() if log.exists() else []


def test_the_longest_cases_start_first_and_results_stand_in_the_order_of_the_study(tmp_path: Path) -> None:
    log = tmp_path / "log"
    results = run_study(squares(log), tmp_path / "out", size="toy")
    assert ran(log) == ["n-3", "n-2", "n-1"]
    assert [told["square"] for told in results.cases.values()] == [1, 4, 9]


def test_what_is_done_is_not_done_again_unless_its_values_change(tmp_path: Path) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    run_study(squares(log), out, size="toy")
    run_study(squares(log), out, size="toy")
    assert len(ran(log)) == 3
    run_study(squares(log, numbers=(1, 2, 3, 5)), out, size="toy")
    assert ran(log)[3:] == ["n-5"]


def test_another_size_runs_everything_again(tmp_path: Path) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    run_study(squares(log), out, size="toy")
    run_study(squares(log), out, size="quick")
    assert len(ran(log)) == 6
    assert read_results(out, squares(log))[0].size == "quick"


def test_a_study_that_failed_goes_on_where_it_was(tmp_path: Path) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    fails = tmp_path / "fail-n-1"
    fails.touch()
    with pytest.raises(ParfocalError, match="n-1 fails"):
        run_study(squares(log), out, size="toy")
    assert not (out / "squares" / RESULTS_FILE).exists()
    fails.unlink()
    run_study(squares(log), out, size="toy")
    assert ran(log) == ["n-3", "n-2", "n-1", "n-1"]


def run_in_two_goes(case: Case, place: Place) -> Told:
    """Leaves something in its folder and fails; the next time it finds it."""
    found = (place.work / "half done").exists()
    (place.work / "half done").touch()
    if not found:
        raise ParfocalError("Stopped half way.")
    return {"square": case.values["n"] ** 2}


def test_a_case_finds_what_a_stopped_run_left_in_its_folder(tmp_path: Path) -> None:
    study, out = replace(squares(tmp_path / "log", numbers=(3,)), run=run_in_two_goes), tmp_path / "out"
    with pytest.raises(ParfocalError, match="half way"):
        run_study(study, out, size="toy")
    assert run_study(study, out, size="toy")["n-3"]["square"] == 9
    assert not any(out.rglob("half done"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_the_case_of_a_killed_worker_is_run_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    study = replace(squares(log), run=run_killed_once)
    results = run_study(study, tmp_path / "out", size="toy", workers=2)
    assert [told["square"] for told in results.cases.values()] == [1, 4, 9]
    assert ran(log).count("n-2") >= 2


def test_a_case_has_a_folder_of_its_own_that_is_gone_afterwards(tmp_path: Path) -> None:
    results = run_study(squares(tmp_path / "log"), tmp_path / "out", size="toy")
    folders = {told["work"] for told in results.cases.values()}
    assert len(folders) == 3
    assert not any(Path(folder).exists() for folder in folders)


def test_results_tell_the_machine_and_the_time(tmp_path: Path) -> None:
    study = squares(tmp_path / "log")
    run_study(study, tmp_path / "out", size="toy")
    results, about = read_results(tmp_path / "out", study)
    assert about["cores"] >= 1
    assert about["processor_seconds"] == pytest.approx(
        sum(told["case_processor_seconds"] for told in results.cases.values()), abs=0.1
    )


def test_results_can_be_asked_by_value(tmp_path: Path) -> None:
    results = run_study(squares(tmp_path / "log"), tmp_path / "out", size="toy")
    assert results.one(n=2)["square"] == 4
    assert results.where(n=7) == []
    with pytest.raises(InputError, match="found 0"):
        results.one(n=7)


def test_a_study_that_was_not_run_says_how(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="parfocal study squares"):
        read_results(tmp_path, squares(tmp_path / "log"))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    with pytest.raises(OutputError, match="Choose another --out"):
        run_study(squares(tmp_path / "log"), tmp_path / "out", size="toy")


def test_equal_costs_keep_the_order() -> None:
    cases = [Case("a", {}), Case("b", {}, cost=2.0), Case("c", {})]
    assert [case.name for case in longest_first(cases)] == ["b", "a", "c"]


def test_the_page_shows_what_was_run_and_names_what_was_not(tmp_path: Path) -> None:
    out, study = tmp_path / "out", squares(tmp_path / "log")
    run_study(study, out, size="toy")
    page = write_page(out, [study, replace(study, name="cubes")]).read_text(encoding="utf-8")
    assert "How large are they?" in page
    assert "Squares &amp; &lt;their&gt; caption." in page
    assert "Up to 9." in page
    assert "Not run yet: cubes." in page
    assert "data:image/svg+xml;base64," in page
    assert "https://" not in page and "http://" not in page
    assert json.loads((out / "squares" / RESULTS_FILE).read_text(encoding="utf-8"))["size"] == "toy"
