"""Single cells: patches show what their labels say, and a network learns their heights from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_world import PIXEL_UM, RECIPE, assert_same_model, dataset_at, frame_at, interrupt_at, retimed

from parfocal.data import CellRow, Cells, Dataset, write_cells
from parfocal.errors import DatasetError, SettingsError
from parfocal.model import FocusEstimator, NetworkSettings, build_network, train
from parfocal.model.cell_patches import CellSettings, PatchSampler
from parfocal.model.cell_training import cell_bins
from parfocal.model.networks import Bands, CellReader
from parfocal.model.networks.cell_reader import PATCH_PX, STRIDE_PX, contrast_of
from parfocal.model.networks.focus import describe
from parfocal.zstack import ZStack

BANDS = Bands(2, 1)


def dots(*places_px: tuple[int, int], side_px: int = 120) -> ZStack:
    """Two planes, dark but for one bright pixel at each place (y, x)."""
    frame = np.full((side_px, side_px), 100, np.uint16)
    for y, x in places_px:
        frame[y, x] = 5000
    return ZStack(np.stack([frame, frame]), np.array([10.0, 30.0]), 0.5)


def cells_at(*places_px: tuple[int, int], focus_z_um: float = 9.0) -> Cells:
    y, x = np.array(places_px, float).T
    n = len(places_px)
    return Cells(0.5 * x, 0.5 * y, np.full(n, focus_z_um), np.full(n, 2.0), np.full(n, "floor"))


def sampler_of(stack: ZStack, cells: Cells, **changes: float) -> PatchSampler:
    settings = CellSettings(contrast=0, noise=0).replace(**changes)
    return PatchSampler([stack], [cells], settings=settings, bands=BANDS, reach_um=5.0, seed=1)


@pytest.mark.parametrize("place", [(60, 60), (0, 119), (3, 50)])
def test_a_cell_is_in_the_middle_of_its_patch_and_has_its_defocus(place: tuple[int, int]) -> None:
    batch = sampler_of(dots(place), cells_at(place), empty=0, jitter_px=0).batch(0, size=12)
    assert batch.contrast.shape == (12, 1, PATCH_PX, PATCH_PX)
    middle = batch.contrast[:, 0, 35:37, 35:37].flatten(1).amax(1)  # turned, so on either side of the middle
    torch.testing.assert_close(middle, batch.contrast.flatten(1).amax(1))
    # Of the two planes only that at 10 um is within reach of the cell in focus at 9 um.
    torch.testing.assert_close(batch.defocus_um, torch.ones(12))


def test_patches_are_seen_in_even_light_where_frames_are() -> None:
    stack, cells = dots((60, 60), (20, 100)), cells_at((60, 60), (20, 100))
    shade = np.linspace(0.5, 1.5, 120)[None, None, :] * np.ones((2, 120, 1))
    uneven = ZStack((stack.frames_zyx * shade).astype(np.uint16), stack.z_um, stack.pixel_size_um)
    settings = CellSettings(contrast=0, noise=0, empty=0)
    even, same = (
        PatchSampler([s], [cells], settings=settings, bands=Bands(2, 1, True), reach_um=5.0, seed=1)
        .batch(0, size=6)
        .contrast
        for s in (stack, uneven)
    )
    torch.testing.assert_close(even, same, atol=0.5, rtol=0)
    dark = PatchSampler([uneven], [cells], settings=settings, bands=BANDS, reach_um=5.0, seed=1)
    assert (dark.batch(0, size=6).contrast - even).abs().max() > 5


def test_jitter_moves_a_cell_by_as_much_as_it_says() -> None:
    batch = sampler_of(dots((60, 60)), cells_at((60, 60)), empty=0, jitter_px=4).batch(0, size=12)
    brightest = batch.contrast[:, 0].flatten(1).argmax(1)
    away = torch.stack([brightest // PATCH_PX, brightest % PATCH_PX]) - 35.5
    assert 2 < away.abs().max() <= 4.5


def test_empty_places_are_away_from_all_cells_and_have_no_defocus() -> None:
    batch = sampler_of(dots((60, 60)), cells_at((60, 60)), empty=0.999).batch(0, size=12)
    empty = torch.isnan(batch.defocus_um)
    assert empty.sum() >= 11
    assert batch.contrast[empty][:, 0, 29:43, 29:43].amax() < 0


def test_the_same_step_gives_the_same_patches() -> None:
    one, again = (sampler_of(dots((60, 60), (20, 30)), cells_at((60, 60), (20, 30))) for _ in range(2))
    one.batch(0, size=12)
    for first, second in zip(one.batch(7, size=12), again.batch(7, size=12), strict=True):
        torch.testing.assert_close(first, second, equal_nan=True)


def test_cells_too_small_or_outside_are_left_out() -> None:
    cells = cells_at((60, 60), (20, 130))
    sampler = sampler_of(dots((60, 60)), cells, empty=0, jitter_px=0)
    assert len(sampler._cells[0]) == 1
    with pytest.raises(DatasetError, match="the table has none"):
        sampler_of(dots((60, 60)), cells, smallest_radius_px=4.1)


def test_without_a_cell_in_reach_there_is_nothing_to_learn() -> None:
    for cells in (cells_at((60, 130)), cells_at((60, 60), focus_z_um=99.0)):
        with pytest.raises(DatasetError, match="Expected cells within 5 um of their focus"):
            sampler_of(dots((60, 60)), cells)


def test_a_place_of_a_frame_is_read_as_the_patch_about_it() -> None:
    torch.manual_seed(0)
    reader = CellReader(n_bins=5, n_numbers=3).eval()
    frame = torch.rand(1, 100, 130)
    numbers = torch.rand(1, 3)
    contrast = contrast_of(frame)
    with torch.inference_mode():
        whole = reader(contrast, numbers)
        y, x = 4, 9
        patch = contrast[:, :, STRIDE_PX * y :, STRIDE_PX * x :][:, :, :PATCH_PX, :PATCH_PX]
        single = reader(patch, numbers)
    torch.testing.assert_close(single.logits[0, 0, 0], whole.logits[0, y, x], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(single.presence[0, 0, 0], whole.presence[0, y, x], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("side_px", [32, 37, 72])
def test_small_and_blank_frames_are_read(side_px: int) -> None:
    network = build_network(NetworkSettings(octaves=2, per_octave=1, cell_bins=5), n_bins=7).eval()
    with torch.inference_mode():
        places = network.places(torch.full((side_px, side_px + 40), 7.0))
    assert torch.isfinite(places.logits).all()
    n_y, n_x = places.presence.shape[1:]
    assert STRIDE_PX * (n_y - 1) < side_px <= STRIDE_PX * n_y
    assert STRIDE_PX * (n_x - 1) < side_px + 40 <= STRIDE_PX * n_x


@pytest.mark.parametrize("shape", [(96, 128), (100, 71)])
@pytest.mark.parametrize("flat_field", [False, True])
def test_a_description_says_what_the_frame_says(shape: tuple[int, int], flat_field: bool) -> None:
    torch.manual_seed(0)
    settings = NetworkSettings(octaves=2, per_octave=1, cell_bins=5, flat_field=flat_field)
    network = build_network(settings, n_bins=7).eval()
    frame = torch.from_numpy(frame_at(1.0, seed=3, side_px=140)[: shape[0], : shape[1]].astype(np.float32))
    described = describe(frame, network.bands, window_px=64, reader=network.reader)
    with torch.inference_mode():
        torch.testing.assert_close(network(described[None]), network(frame[None, None]), atol=1e-4, rtol=1e-4)


def test_what_a_reader_says_of_a_tile_is_what_it_says_of_the_place_in_its_middle() -> None:
    torch.manual_seed(0)
    reader = CellReader(n_bins=5, n_numbers=3).eval()
    frame, numbers = torch.rand(96, 112), torch.rand(3)
    with torch.inference_mode():
        tiles = reader.look_at(frame)(numbers)
        places = reader(contrast_of(frame[None]), numbers[None])
    assert tiles.shape == (6 * 7, reader.n_told)
    presence = torch.sigmoid(places.presence[0, 1::2, 1::2])[:6, :7].flatten()
    torch.testing.assert_close(tiles[:, -3], presence, atol=1e-5, rtol=1e-4)
    assert (tiles[:, -1] / tiles[:, -2]).abs().max() < 2.5


def test_bins_cover_the_range_of_the_others() -> None:
    finer = cell_bins(RECIPE.bins, n_bins=2 * RECIPE.bins.count - 1)
    assert finer.count == 2 * RECIPE.bins.count - 1
    np.testing.assert_allclose(finer.centres_um[::2], RECIPE.bins.centres_um)


HALF_PX, STEP_UM = 96, 3.0
CELLS = RECIPE.replace(
    network=RECIPE.network.replace(cell_bins=13).model_dump(),
    sampling=RECIPE.sampling.replace(crop_um=PIXEL_UM * HALF_PX).model_dump(),
    cells=CellSettings(steps=150, batch_size=32, label_sigma_um=0.8).model_dump(),
)


def divided(defocus_um: float, seed: int) -> np.ndarray:
    """A frame whose right half lies so much deeper than the left one."""
    halves = [
        frame_at(defocus_um + aside_um, seed=seed + 900 * k, side_px=HALF_PX)
        for k, aside_um in enumerate((0.0, STEP_UM))
    ]
    return np.concatenate(halves, axis=1)


@pytest.fixture(scope="module")
def known_cells(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Stacks of divided frames, the table of their cells, and labels that say the left half."""
    folder = tmp_path_factory.mktemp("divided") / "dataset"
    parts = ("train",) * 8 + ("validation", "test")
    dataset = dataset_at(folder, parts=parts)
    rows = []
    for k in range(len(parts)):
        name, z_um = f"s{k}", np.linspace(-5, 5, 11)
        focus_z_um = dataset.focus_z_um(name)
        frames = np.stack([divided(z, seed=k) for z in z_um])
        dataset.write(name, ZStack(frames, z_um + focus_z_um, PIXEL_UM))
        for half in (0, 1):
            for y_px in range(8, HALF_PX, 16):
                for x_px in range(8, HALF_PX, 16):
                    x_um = PIXEL_UM * (x_px + half * HALF_PX)
                    z = focus_z_um - half * STEP_UM
                    rows.append(CellRow(name, "spot", x_um, PIXEL_UM * y_px, z, 3.0, "floor"))
    write_cells(folder, rows)
    return dataset


@pytest.fixture(scope="module")
def cells_model(known_cells: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cells") / "m.safetensors"
    train(known_cells, out=out, recipe=CELLS)
    return out


def test_what_differs_within_a_frame_is_told_apart(cells_model: Path) -> None:
    estimator = FocusEstimator.load(cells_model)
    told = estimator.defocus_map(divided(-1.5, seed=40), pixel_size_um=PIXEL_UM)
    y_um, x_um = np.meshgrid([12.0, 24.0, 36.0], [12.0, 24.0, 36.0])
    left_um, left_std_um = told.at(x_um.ravel(), y_um.ravel())
    right_um, _ = told.at(x_um.ravel() + PIXEL_UM * HALF_PX, y_um.ravel())
    assert np.median(left_um) == pytest.approx(-1.5, abs=0.8)
    assert np.median(right_um) == pytest.approx(1.5, abs=0.8)
    assert (left_std_um > 0).all() and np.median(left_std_um) < 2


def test_cells_need_their_table_and_a_recipe_that_says_how(spots: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"cells\.csv"):
        train(
            spots, out=tmp_path / "m.safetensors", recipe=CELLS.replace(sampling=RECIPE.sampling.model_dump())
        )
    with pytest.raises(SettingsError, match=r"Expected \[cells\] in the recipe"):
        train(
            spots,
            out=tmp_path / "m.safetensors",
            recipe=RECIPE.replace(network=CELLS.network.model_dump()),
        )


def test_cells_are_learned_without_validation_stacks_too(tmp_path: Path) -> None:
    dataset = dataset_at(tmp_path / "dataset", parts=("train",) * 3)
    write_cells(
        dataset.folder,
        [CellRow(f"s{k}", "spot", 18.0, 18.0, dataset.focus_z_um(f"s{k}"), 3.0, "floor") for k in range(3)],
    )
    cells = CellSettings(steps=2, batch_size=8).model_dump()
    recipe = retimed(CELLS, steps=2).replace(sampling=RECIPE.sampling.model_dump(), cells=cells)
    train(dataset, out=tmp_path / "m.safetensors", recipe=recipe)
    told = FocusEstimator.load(tmp_path / "m.safetensors").defocus_map(
        frame_at(1.0, seed=3), pixel_size_um=PIXEL_UM
    )
    assert told.defocus_um.shape == (9, 9)


def test_a_training_that_starts_from_it_keeps_what_it_knows_of_cells(
    known_cells: Dataset, cells_model: Path, tmp_path: Path
) -> None:
    heir = tmp_path / "heir.safetensors"
    train(known_cells, out=heir, recipe=retimed(CELLS, steps=5).replace(cells=None), init=cells_model)
    frame = divided(0.0, seed=41)
    one, other = (
        FocusEstimator.load(path).defocus_map(frame, pixel_size_um=PIXEL_UM).defocus_um
        for path in (cells_model, heir)
    )
    np.testing.assert_array_equal(one, other)


FEW_CELLS = retimed(CELLS, steps=3, validate_every=3).replace(
    cells=CellSettings(steps=6, batch_size=8).model_dump()
)


def test_a_training_stopped_among_cells_goes_on_as_if_never_stopped(
    known_cells: Dataset, tmp_path: Path
) -> None:
    whole, stopped = tmp_path / "whole.safetensors", tmp_path / "stopped.safetensors"
    seen: list[tuple[str, int]] = []
    train(known_cells, out=whole, recipe=FEW_CELLS, watch=lambda at: seen.append((at.what, at.step)))
    assert seen == [*(("cells", k) for k in range(1, 7)), *(("train", k) for k in range(1, 4))]
    for what, step in (("cells", 2), ("cells", 6), ("train", 2)):
        with pytest.raises(KeyboardInterrupt):
            train(
                known_cells,
                out=stopped,
                recipe=FEW_CELLS,
                resume=stopped.with_suffix(".training").exists(),
                watch=interrupt_at(step, what=what),
            )
    train(known_cells, out=stopped, recipe=FEW_CELLS, resume=True)
    assert_same_model(whole, stopped)


def test_two_processes_learn_cells_together(known_cells: Dataset, tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []
    out = tmp_path / "m.safetensors"
    recipe = FEW_CELLS.replace(training=FEW_CELLS.training.replace(batch_size=4).model_dump())
    train(known_cells, out=out, recipe=recipe, devices=2, watch=lambda at: seen.append((at.what, at.step)))
    assert seen[:7] == [*(("cells", k) for k in range(1, 7)), ("train", 1)]
    odd = recipe.replace(cells=CellSettings(steps=6, batch_size=9).model_dump())
    with pytest.raises(SettingsError, match="batch_size of cells is 9"):
        train(known_cells, out=out, recipe=odd, devices=2)
