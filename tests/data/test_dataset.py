"""A dataset folder keeps stacks, annotations and split, and refuses what does not belong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parfocal.data import Annotation, Dataset, DatasetSettings, ObjectiveRecord, SplitRow
from parfocal.errors import DatasetError, ImageFileError, SettingsError
from parfocal.zstack import ZStack

DAY = "2018-07-01T12:00:00+00:00"
SETTINGS = DatasetSettings(
    name="yeast",
    objective=ObjectiveRecord(numerical_aperture=1.3, magnification=100, immersion_index=1.515),
    pixel_size_um=0.06,
    wavelength_um=0.56,
    experiments=("day 1", "day 2"),
)


def stack_of(value: int = 7, *, pixel_size_um: float = 0.06) -> ZStack:
    return ZStack(np.full((3, 4, 5), value, np.uint16), [-1.0, 0.0, 2.0], pixel_size_um)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    dataset = Dataset.create(tmp_path / "yeast", SETTINGS)
    for stack in ("a", "b", "c"):
        dataset.write(stack, stack_of())
    return dataset


def test_a_dataset_opens_as_it_was_made(dataset: Dataset) -> None:
    dataset.annotate([Annotation("b", 0.5, "ann", DAY)])
    dataset.write_split([SplitRow("a", "day 1", "train"), SplitRow("b", "day 2", "test")])
    opened = Dataset.open(dataset.folder)
    assert opened == dataset and opened.fingerprint() == dataset.fingerprint()
    assert opened.stack_ids() == ("a", "b", "c")
    assert opened.annotations() == (Annotation("b", 0.5, "ann", DAY),)
    assert opened.ids_in("test") == ("b",)
    assert opened.positions_um("a").tolist() == [-1.0, 0.0, 2.0]
    np.testing.assert_array_equal(opened.read("a").frames_zyx, stack_of().frames_zyx)


def test_depth_of_field_needs_objective_and_wavelength() -> None:
    assert SETTINGS.dof_um == pytest.approx(0.572, abs=1e-3)
    assert SETTINGS.replace(wavelength_um=None).dof_um is None


@pytest.mark.parametrize("change", [{"pixel_size_um": 0}, {"wavelength_um": -1}, {"name": ""}])
def test_settings_out_of_range_are_refused(change: dict) -> None:
    with pytest.raises(SettingsError):
        SETTINGS.replace(**change)


def test_an_aperture_above_the_immersion_index_is_refused() -> None:
    with pytest.raises(SettingsError, match="below the immersion index"):
        ObjectiveRecord.parse(
            {"numerical_aperture": 1.3, "magnification": 100, "immersion_index": 1.0}, source="test"
        )


def test_a_used_folder_is_not_made_into_a_dataset(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DatasetError, match="something in it"):
        Dataset.create(tmp_path, SETTINGS)
    with pytest.raises(DatasetError, match="something in it"):
        Dataset.create(tmp_path / "notes.txt", SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no folder"):
        Dataset.open(tmp_path / "none")
    with pytest.raises(DatasetError, match=r"no folder .*stacks"):
        Dataset.open(tmp_path)
    (tmp_path / "stacks").mkdir()
    with pytest.raises(DatasetError, match=r"dataset\.toml"):
        Dataset.open(tmp_path)
    (tmp_path / "dataset.toml").write_text('name = "x"\npixel_size_um = 0.1\ncolour = 3\n')
    with pytest.raises(DatasetError, match="unknown key 'colour'"):
        Dataset.open(tmp_path)


@pytest.mark.parametrize("stack", ["", "../evil", "a/b", "a\\b", ".hidden", "a\n", "a ", "a:b", "-rf"])
def test_an_id_that_cannot_be_a_file_name_is_refused(stack: str, dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="stack id"):
        dataset.write(stack, stack_of())


def test_an_unknown_stack_is_refused_with_the_known_ones(dataset: Dataset) -> None:
    for ask in (dataset.read, dataset.positions_um):
        with pytest.raises(DatasetError, match=r"\(a, b, c\); got 'z'"):
            ask("z")


def test_a_stack_of_another_pixel_size_is_refused(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match=r"0\.06 um.*0\.07 um"):
        dataset.write("d", stack_of(pixel_size_um=0.07))
    assert dataset.stack_ids() == ("a", "b", "c")


def test_a_damaged_stack_is_refused_when_read(dataset: Dataset) -> None:
    dataset.stack_path("a").write_bytes(dataset.stack_path("a").read_bytes()[:300])
    with pytest.raises(ImageFileError, match="truncated"):
        dataset.read("a")


def test_the_focus_is_the_median_of_the_annotators(dataset: Dataset) -> None:
    dataset.annotate([Annotation("a", 0.0, "ann", DAY), Annotation("a", 1.0, "bob", DAY)])
    assert dataset.focus_z_um("a") == 0.5
    dataset.annotate([Annotation("a", 2.0, "ann", DAY)])
    assert dataset.focus_z_um("a") == 1.5
    assert len(dataset.annotations()) == 3
    with pytest.raises(DatasetError, match="nobody annotated"):
        dataset.focus_z_um("b")


@pytest.mark.parametrize("focus_z_um", [-1.01, 2.01])
def test_a_focus_outside_the_planes_is_refused_with_all_that_came_along(
    focus_z_um: float, dataset: Dataset
) -> None:
    with pytest.raises(DatasetError, match="from -1 to 2 um"):
        dataset.annotate([Annotation("a", 0.0, "ann", DAY), Annotation("b", focus_z_um, "ann", DAY)])
    with pytest.raises(DatasetError, match="got 'z'"):
        dataset.annotate([Annotation("a", 0.0, "ann", DAY), Annotation("z", 0.0, "ann", DAY)])
    assert dataset.annotations() == ()


def test_a_split_is_written_once(dataset: Dataset) -> None:
    rows = [SplitRow("a", "day 1", "train"), SplitRow("b", "day 2", "test")]
    with pytest.raises(DatasetError, match="none yet"):
        dataset.split()
    dataset.write_split(rows)
    dataset.write_split(rows[::-1])
    with pytest.raises(DatasetError, match="a different one is there"):
        dataset.write_split([SplitRow("a", "day 1", "test"), SplitRow("b", "day 2", "train")])
    assert dataset.split() == tuple(rows)


def test_another_split_is_not_written_and_counts_in_the_fingerprint(dataset: Dataset) -> None:
    stack = dataset.stack_ids()[0]
    alone = dataset.with_split([SplitRow(stack, "day1", "train")])
    assert alone.ids_in("train") == (stack,)
    assert not (dataset.folder / "split.csv").exists()
    assert alone.fingerprint() != dataset.fingerprint()


def test_a_split_of_unknown_or_repeated_stacks_is_refused(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="got 'z'"):
        dataset.write_split([SplitRow("z", "day 1", "train")])
    with pytest.raises(DatasetError, match="more than once"):
        dataset.write_split([SplitRow("a", "day 1", "train"), SplitRow("a", "day 1", "test")])
    assert not (dataset.folder / "split.csv").exists()


def test_an_empty_or_unknown_part_is_refused(dataset: Dataset) -> None:
    dataset.write_split([SplitRow("a", "day 1", "train")])
    with pytest.raises(DatasetError, match=r"'validation' of split\.csv; it has none"):
        dataset.ids_in("validation")
    with pytest.raises(DatasetError, match="got 'exam'"):
        dataset.ids_in("exam")


def test_the_fingerprint_follows_what_a_model_learns_from(dataset: Dataset) -> None:
    seen = [dataset.fingerprint()]
    dataset.annotate([Annotation("a", 0.0, "ann", DAY)])
    seen.append(dataset.fingerprint())
    dataset.write_split([SplitRow("a", "day 1", "train")])
    seen.append(dataset.fingerprint())
    dataset.write("d", stack_of())
    seen.append(dataset.fingerprint())
    seen.append(Dataset(dataset.folder, SETTINGS.replace(name="other")).fingerprint())
    assert len(set(seen)) == 5


def test_the_fingerprint_does_not_depend_on_place_or_time(tmp_path: Path) -> None:
    prints = set()
    for name, created in (("one", DAY), ("two", "2020-01-01")):
        dataset = Dataset.create(tmp_path / name, SETTINGS)
        dataset.write("a", stack_of())
        dataset.annotate([Annotation("a", 0.0, "ann", created)])
        prints.add(dataset.fingerprint())
    assert len(prints) == 1
