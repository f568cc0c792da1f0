"""A table of image files becomes a dataset, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from parfocal.data import Dataset, DatasetSettings, import_table, write_stack
from parfocal.errors import DatasetError, ImageFileError, InputError
from parfocal.zstack import ZStack

SETTINGS = DatasetSettings(name="chips", pixel_size_um=0.2)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for value in range(6):
        Image.fromarray(np.full((4, 5), value, np.uint8)).save(folder / f"{value}.png")
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(folder / "larger.png")
    Image.fromarray(np.zeros((4, 5), np.uint16)).save(folder / "deeper.png")
    pages = np.arange(3, dtype=np.uint8)[:, None, None] * np.ones((3, 4, 5), np.uint8)
    tifffile.imwrite(folder / "pages.tif", pages, photometric="minisblack")
    (folder / "text.png").write_text("no image")
    return folder


@pytest.fixture
def table(images: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        (images / "table.csv").write_text(text, encoding="utf-8")
        return images / "table.csv"

    return write


def test_planes_are_sorted_and_annotated(table, tmp_path: Path) -> None:
    rows = (
        "path,stack,z_um,focus_z_um,experiment\n1.png,s,2.5,1,day 1\n0.png,s,-1,1,day 1\n2.png,t,0,,day 2\n"
    )
    calls = []
    dataset = import_table(
        table(rows),
        tmp_path / "d",
        settings=SETTINGS,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert dataset == Dataset.open(tmp_path / "d")
    stack = dataset.read("s")
    assert stack.z_um.tolist() == [-1.0, 2.5]
    assert stack.frames_zyx[:, 0, 0].tolist() == [0, 1]
    assert stack.metadata == {"imported_from": ["0.png", "1.png"]}
    assert [(row.stack, row.focus_z_um, row.annotator) for row in dataset.annotations()] == [
        ("s", 1.0, "import")
    ]
    assert dataset.settings.experiments == ("day 1", "day 2")
    assert calls == [(1, 2), (2, 2)]


def test_planes_of_one_file_and_absolute_paths_are_found(table, images: Path, tmp_path: Path) -> None:
    rows = f"path,stack,z_um,plane\npages.tif,s,0,2\n{images / 'pages.tif'},s,1,0\n"
    stack = import_table(table(rows), tmp_path / "d", settings=SETTINGS).read("s")
    assert stack.frames_zyx[:, 0, 0].tolist() == [2, 0]


def test_a_table_saved_by_a_spreadsheet_is_read(table, tmp_path: Path) -> None:
    rows = "\ufeffpath,stack,z_um\r\n 0.png ,s, 0 \r\n1.png,s,1\r\n"
    assert import_table(table(rows), tmp_path / "d", settings=SETTINGS).read("s").n_planes == 2


def test_stacks_are_split_by_seed_by_name_or_by_the_table(table, tmp_path: Path) -> None:
    rows = "path,stack,z_um\n" + "".join(f"{i}.png,s{i},0\n" for i in range(5))
    by_seed = import_table(table(rows), tmp_path / "seed", settings=SETTINGS, seed=3)
    assert {row.part for row in by_seed.split()} == {"train", "validation", "test"}
    assert {row.experiment for row in by_seed.split()} == {"chips"}
    by_name = import_table(table(rows), tmp_path / "name", settings=SETTINGS, held_out=["s3", "s1"])
    assert set(by_name.ids_in("test")) == {"s1", "s3"} and by_name.ids_in("validation")
    rows = "path,stack,z_um,part\n" + "".join(
        f"{i}.png,s{i},0,{'test' if i else 'train'}\n" for i in range(5)
    )
    by_table = import_table(table(rows), tmp_path / "table", settings=SETTINGS)
    assert by_table.ids_in("train") == ("s0",)


def test_what_must_not_be_answered_needs_no_focus(table, tmp_path: Path) -> None:
    rows = "path,stack,z_um,focus_z_um,part\n0.png,a,0,0,train\n1.png,b,0,0,test\n2.png,empty,0,,reject\n"
    dataset = import_table(table(rows), tmp_path / "d", settings=SETTINGS)
    assert dataset.ids_in("reject") == ("empty",)
    assert {row.stack for row in dataset.annotations()} == {"a", "b"}


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        pytest.param("path,stack,z\n", DatasetError, "line 1: Expected the columns", id="column missing"),
        pytest.param("path,stack,z_um,colour\n", DatasetError, "line 1: .*colour", id="column unknown"),
        pytest.param("path;stack;z_um\n", DatasetError, "between commas", id="semicolons"),
        pytest.param("path,stack,z_um\n", DatasetError, "one line for each plane", id="no lines"),
        pytest.param(
            "path,stack,z_um\n0.png,s\n", DatasetError, "line 2: Expected 3 values", id="short line"
        ),
        pytest.param(
            "path,stack,z_um\n0.png,s,0,1\n", DatasetError, "line 2: Expected 3 values", id="long line"
        ),
        pytest.param(
            "path,stack,z_um\n0.png,s,0\n1.png,s,up\n", DatasetError, "line 3: .*'up'", id="no number"
        ),
        pytest.param("path,stack,z_um\n0.png,s,nan\n", DatasetError, "line 2: .*'nan'", id="not finite"),
        pytest.param("path,stack,z_um\n0.png,,0\n", DatasetError, "line 2: .*empty", id="no stack"),
        pytest.param("path,stack,z_um\n0.png,a/b,0\n", DatasetError, "line 2: .*stack id", id="bad id"),
        pytest.param(
            "path,stack,z_um,part\n0.png,s,0,exam\n", DatasetError, "line 2: .*'exam'", id="bad part"
        ),
        pytest.param("path,stack,z_um,plane\n0.png,s,0,-1\n", DatasetError, "line 2: .*'-1'", id="bad plane"),
        pytest.param(
            "path,stack,z_um,plane\n0.png,s,0,1\n", DatasetError, "line 2: .*0 to 0", id="no such plane"
        ),
        pytest.param(
            "path,stack,z_um\n0.png,s,1\n1.png,s,1.0\n", DatasetError, "line 3: .*line 2", id="position twice"
        ),
        pytest.param(
            "path,stack,z_um,focus_z_um\n0.png,s,0,0\n1.png,s,1,1\n",
            DatasetError,
            "line 3: .*same focus_z_um",
            id="two focus planes",
        ),
        pytest.param(
            "path,stack,z_um,focus_z_um\n0.png,s,0,3\n1.png,s,1,3\n",
            DatasetError,
            "line 2: .*from 0 to 1 um",
            id="focus outside",
        ),
        pytest.param(
            "path,stack,z_um,experiment\n0.png,s,0,a\n1.png,s,1,b\n",
            DatasetError,
            "line 3: .*same experiment",
            id="two experiments",
        ),
        pytest.param("path,stack,z_um\n9.png,s,0\n", ImageFileError, "line 2: .*9.png", id="file missing"),
        pytest.param("path,stack,z_um\ntext.png,s,0\n", ImageFileError, "line 2: .*text.png", id="no image"),
        pytest.param(
            "path,stack,z_um\n0.png,s,0\nlarger.png,s,1\n", DatasetError, "line 3: .*5 x 5", id="sizes differ"
        ),
        pytest.param(
            "path,stack,z_um\n0.png,s,0\ndeeper.png,s,1\n",
            DatasetError,
            "line 3: .*uint16",
            id="types differ",
        ),
    ],
)
def test_a_bad_table_is_refused_by_its_line_and_leaves_nothing(
    text: str, kind: type[InputError], expected: str, table, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=expected) as error:
        import_table(table(text), tmp_path / "d", settings=SETTINGS)
    assert "table.csv" in str(error.value) and "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_held_out_stacks_must_be_in_the_table_and_not_beside_a_part_column(table, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="it has no t"):
        import_table(table("path,stack,z_um\n0.png,s,0\n"), tmp_path / "d", settings=SETTINGS, held_out=["t"])
    rows = table("path,stack,z_um,part\n0.png,s,0,train\n")
    with pytest.raises(DatasetError, match="got both"):
        import_table(rows, tmp_path / "d", settings=SETTINGS, held_out=["s"])


def test_a_file_that_tells_another_pixel_size_is_refused(table, images: Path, tmp_path: Path) -> None:
    write_stack(images / "s.ome.tif", ZStack(np.zeros((1, 4, 5), np.uint8), [0.0], 0.3))
    with pytest.raises(DatasetError, match=r"line 2: .*0\.2 um.*0\.3 um"):
        import_table(table("path,stack,z_um\ns.ome.tif,s,0\n"), tmp_path / "d", settings=SETTINGS)


def test_a_folder_in_use_stays_as_it_is(table, images: Path, tmp_path: Path) -> None:
    rows = table("path,stack,z_um\n0.png,s,0\n")
    before = sorted(images.iterdir())
    with pytest.raises(DatasetError, match="something in it"):
        import_table(rows, images, settings=SETTINGS)
    assert sorted(images.iterdir()) == before
    (tmp_path / "empty").mkdir()
    assert import_table(rows, tmp_path / "empty", settings=SETTINGS).stack_ids() == ("s",)


def test_an_interrupted_import_leaves_nothing(table, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_table(
            table("path,stack,z_um\n0.png,s,0\n"), tmp_path / "d", settings=SETTINGS, progress=interrupt
        )
    assert [path.name for path in tmp_path.iterdir()] == ["images"]
