"""The verb that repeats the experiments of the paper, but for the experiments themselves."""

from __future__ import annotations

from pathlib import Path

from command_line import Parfocal
from parfocal.studies.catalogue import MODULES, load_all


def test_the_list_names_every_study_and_what_it_asks(parfocal: Parfocal) -> None:
    finished = parfocal("study", "--list")
    assert finished.code == 0
    lines = finished.out.splitlines()
    assert [line.split()[0] for line in lines] == [*MODULES, "all", "realism"]
    assert all(study.question in line for study, line in zip(load_all(), lines, strict=False))


def test_the_list_runs_nothing(parfocal: Parfocal, tmp_path: Path) -> None:
    finished = parfocal("study", "--list", "downsampling", "--quick", "--out", tmp_path / "out")
    assert finished.code == 0
    assert not (tmp_path / "out").exists()


def test_a_wrong_name_is_told_the_right_ones(parfocal: Parfocal) -> None:
    finished = parfocal("study", "downsmapling", "--quick")
    assert finished.code == 2
    assert "Expected a study among downsampling, bin-size," in finished.complaint
    assert "got 'downsmapling'" in finished.complaint


def test_a_study_without_a_name_is_told_of_the_list(parfocal: Parfocal) -> None:
    finished = parfocal("study")
    assert finished.code == 2
    assert "parfocal study --list" in finished.complaint


def test_a_folder_that_is_a_file_is_told(parfocal: Parfocal, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    finished = parfocal("study", "people", "--quick", "--out", tmp_path / "out")
    assert finished.code == 1
    assert "Choose another --out" in finished.complaint


def test_studies_have_the_names_and_the_order_of_the_catalogue() -> None:
    assert [study.name for study in load_all()] == list(MODULES)
