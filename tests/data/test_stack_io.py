"""Image files come in whole, or are refused with one clear line."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import ome_types
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from parfocal.data import read_image, read_positions_um, read_stack, write_stack
from parfocal.errors import ImageFileError, InputError, OutputError
from parfocal.zstack import ZStack


def stack_of(dtype=np.uint16, *, shape=(3, 4, 5), z_um=(-1.5, 0.25, 1.0), **metadata) -> ZStack:
    frames = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    return ZStack(frames, z_um, 0.24, metadata)


def one_line(error: pytest.ExceptionInfo[BaseException], path: Path) -> str:
    message = str(error.value)
    assert str(path) in message and "\n" not in message and "Expected" in message
    return message


@st.composite
def stacks(draw: st.DrawFn) -> ZStack:
    dtype = draw(st.sampled_from([np.uint8, np.uint16, np.float32]))
    shape = draw(hnp.array_shapes(min_dims=3, max_dims=3, max_side=5))
    values = st.floats(-1e6, 1e6, width=32) if dtype is np.float32 else None
    frames = draw(hnp.arrays(dtype, shape, elements=values))
    z_um = draw(st.lists(st.floats(-1e5, 1e5), min_size=shape[0], max_size=shape[0], unique=True))
    plain = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=4))
    metadata = draw(st.dictionaries(st.text(max_size=4), plain, max_size=2))
    return ZStack(frames, sorted(z_um), draw(st.floats(1e-3, 50)), metadata)


@settings(max_examples=60, deadline=None)
@given(stack=stacks())
def test_a_stack_comes_back_as_it_was_written(stack: ZStack, tmp_path_factory) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.ome.tif"
    write_stack(path, stack)
    back = read_stack(path)
    assert back.frames_zyx.dtype == stack.frames_zyx.dtype
    np.testing.assert_array_equal(back.frames_zyx, stack.frames_zyx)
    np.testing.assert_array_equal(back.z_um, stack.z_um)
    np.testing.assert_array_equal(read_positions_um(path), stack.z_um)
    assert back.pixel_size_um == stack.pixel_size_um
    assert back.metadata == stack.metadata


def test_other_programs_find_sizes_and_positions_in_the_ome_metadata(tmp_path: Path) -> None:
    path = tmp_path / "s.ome.tif"
    write_stack(path, stack_of(), channel_name="phase contrast")
    pixels = ome_types.from_tiff(path).images[0].pixels
    assert (pixels.physical_size_x, pixels.physical_size_y) == (0.24, 0.24)
    assert {pixels.physical_size_x_unit.value, pixels.physical_size_z_unit.value} == {"µm"}
    assert pixels.physical_size_z == pytest.approx(1.25)
    assert [plane.the_z for plane in pixels.planes] == [0, 1, 2]
    assert [plane.position_z for plane in pixels.planes] == [-1.5, 0.25, 1.0]
    assert {plane.position_z_unit.value for plane in pixels.planes} == {"µm"}
    assert pixels.channels[0].name == "phase contrast"


def test_a_written_stack_can_be_memory_mapped(tmp_path: Path) -> None:
    write_stack(tmp_path / "s.ome.tif", stack_of())
    mapped = tifffile.memmap(tmp_path / "s.ome.tif", mode="r")
    np.testing.assert_array_equal(mapped, stack_of().frames_zyx)


def test_planes_of_a_file_are_sorted_by_position(tmp_path: Path) -> None:
    frames = np.arange(3, dtype=np.uint8)[:, None, None] * np.ones((3, 4, 5), np.uint8)
    plane = {"PositionZ": [2000.0, 1000.0, 0.0], "PositionZUnit": ["nm"] * 3}
    tifffile.imwrite(
        tmp_path / "down.ome.tif", frames, metadata={"axes": "ZYX", "Plane": plane, **_pixel(0.5, 0.5)}
    )
    stack = read_stack(tmp_path / "down.ome.tif")
    assert stack.z_um.tolist() == [0.0, 1.0, 2.0]
    assert stack.frames_zyx[:, 0, 0].tolist() == [2, 1, 0]


def test_nothing_is_left_of_a_stack_that_cannot_be_written(tmp_path: Path) -> None:
    write_stack(tmp_path / "s.ome.tif", stack_of())
    with pytest.raises(InputError, match="plain values"):
        write_stack(tmp_path / "s.ome.tif", stack_of(odd=object()))
    with pytest.raises(OutputError, match="cannot be written"):
        write_stack(tmp_path / "missing" / "s.ome.tif", stack_of())
    assert [path.name for path in tmp_path.iterdir()] == ["s.ome.tif"]
    assert read_stack(tmp_path / "s.ome.tif").n_planes == 3


def test_numbers_of_numpy_are_kept_as_plain_metadata(tmp_path: Path) -> None:
    write_stack(tmp_path / "s.ome.tif", stack_of(seed=np.int64(3), shift=np.float32(0.5), at=np.arange(2)))
    assert read_stack(tmp_path / "s.ome.tif").metadata == {"seed": 3, "shift": 0.5, "at": [0, 1]}


@pytest.mark.parametrize("percent", range(0, 100, 4))
def test_a_truncated_stack_is_refused(percent: int, tmp_path: Path) -> None:
    path = tmp_path / "s.ome.tif"
    write_stack(path, stack_of(shape=(3, 30, 30)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * percent // 100])
    for read in (read_image, read_stack):
        with pytest.raises(ImageFileError) as error:
            read(path)
        one_line(error, path)


def test_a_stack_that_lacks_planes_its_metadata_promise_is_refused(tmp_path: Path) -> None:
    write_stack(tmp_path / "s.ome.tif", stack_of())
    promise = tifffile.tiffcomment(tmp_path / "s.ome.tif")
    tifffile.imwrite(
        tmp_path / "short.ome.tif",
        stack_of().frames_zyx[:2],
        description=promise.replace('PlaneCount="3"', 'PlaneCount="2"').encode(),
        metadata=None,
        photometric="minisblack",
    )
    with pytest.raises(ImageFileError, match="some are missing"):
        read_image(tmp_path / "short.ome.tif")


def _pixel(x_um: float, y_um: float) -> dict[str, object]:
    units = {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
    return {"PhysicalSizeX": x_um, "PhysicalSizeY": y_um, **units}


_PLANE = {"Plane": {"PositionZ": [0.0, 1.0], "PositionZUnit": ["µm"] * 2}}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        pytest.param(_pixel(0.2, 0.2), "PositionZ", id="no positions"),
        pytest.param(
            {**_pixel(0.2, 0.2), "Plane": {"PositionZ": [0.0, 1.0]}}, "PositionZ", id="no unit of z"
        ),
        pytest.param(_PLANE, "the pixel size", id="no pixel size"),
        pytest.param({**_pixel(0.2, 0.3), **_PLANE}, "square pixels", id="oblong pixels"),
        pytest.param(
            {**_pixel(0.2, 0.2), "Plane": {"PositionZ": [1.0, 1.0], "PositionZUnit": ["µm"] * 2}},
            "increase",
            id="positions twice",
        ),
        pytest.param({**_pixel(0.2, 0.2), **_PLANE, "axes": "TYX"}, "one time point", id="time series"),
    ],
)
def test_an_ome_tiff_that_is_no_stack_is_refused(metadata: dict, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "s.ome.tif"
    tifffile.imwrite(path, np.zeros((2, 8, 9), np.uint8), metadata={"axes": "ZYX", **metadata})
    with pytest.raises(ImageFileError, match=expected) as error:
        read_stack(path)
    one_line(error, path)


def test_a_tiff_without_ome_metadata_is_an_image_but_no_stack(tmp_path: Path) -> None:
    frames = stack_of().frames_zyx
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, frames, photometric="minisblack", resolution=(300, 300), resolutionunit="INCH")
    image = read_image(path)
    np.testing.assert_array_equal(image.frames_zyx, frames)
    assert image.z_um is None and image.pixel_size_um is None
    with pytest.raises(ImageFileError, match="parfocal import"):
        read_stack(path)


@pytest.mark.parametrize("suffix", ["tif", "png", "bmp", "gif"])
def test_grey_values_of_8_bit_files_are_kept(suffix: str, tmp_path: Path) -> None:
    frame = np.arange(56, dtype=np.uint8).reshape(7, 8)
    Image.fromarray(frame).save(tmp_path / f"image.{suffix}")
    image = read_image(tmp_path / f"image.{suffix}")
    assert image.frames_zyx.dtype == np.uint8
    np.testing.assert_array_equal(image.frames_zyx, frame[None])


def test_a_16_bit_png_stays_16_bit(tmp_path: Path) -> None:
    frame = np.arange(56, dtype=np.uint16).reshape(7, 8) * 1000
    Image.fromarray(frame).save(tmp_path / "deep.png")
    image = read_image(tmp_path / "deep.png")
    assert image.frames_zyx.dtype == np.uint16
    np.testing.assert_array_equal(image.frames_zyx[0], frame)


def test_a_big_endian_tiff_is_read_in_native_order(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "big.tif", stack_of().frames_zyx, byteorder=">", photometric="minisblack")
    image = read_image(tmp_path / "big.tif")
    assert image.frames_zyx.dtype == np.uint16
    np.testing.assert_array_equal(image.frames_zyx, stack_of().frames_zyx)


def test_each_frame_of_an_animated_gif_is_a_plane(tmp_path: Path) -> None:
    frames = np.random.default_rng(1).integers(0, 255, (4, 9, 10), np.uint8)
    first, *others = (Image.fromarray(frame) for frame in frames)
    first.save(tmp_path / "scan.gif", save_all=True, append_images=others)
    np.testing.assert_array_equal(read_image(tmp_path / "scan.gif").frames_zyx, frames)


@pytest.mark.parametrize(
    ("suffix", "n_channels"), [("png", 3), ("png", 4), ("tif", 3), ("tif", 4), ("jpg", 3)]
)
def test_colour_is_refused_unless_its_channels_agree(suffix: str, n_channels: int, tmp_path: Path) -> None:
    frame = np.full((16, 16, n_channels), 255, np.uint8)
    frame[..., :3] = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    Image.fromarray(frame).save(tmp_path / f"grey.{suffix}", quality=100)
    assert read_image(tmp_path / f"grey.{suffix}").frames_zyx.shape == (1, 16, 16)
    frame[..., 1] = 255 - frame[..., 1]
    Image.fromarray(frame).save(tmp_path / f"colour.{suffix}", quality=100)
    with pytest.raises(ImageFileError, match="colours that differ"):
        read_image(tmp_path / f"colour.{suffix}")


@pytest.mark.parametrize("dtype", [np.float64, np.bool_, np.int16, np.uint32])
def test_other_types_are_refused(dtype: type, tmp_path: Path) -> None:
    path = tmp_path / "odd.tif"
    tifffile.imwrite(path, np.ones((2, 8, 9), dtype), photometric="minisblack")
    with pytest.raises(ImageFileError, match="uint8, uint16 or float32") as error:
        read_image(path)
    assert np.dtype(dtype).name in one_line(error, path)


def test_16_bit_colour_is_refused_rather_than_cut_to_8_bit(tmp_path: Path) -> None:
    rgb = np.full((8, 8, 3), 1000, np.uint16)
    (tmp_path / "deep.png").write_bytes(imagecodecs.png_encode(rgb))
    with pytest.raises(ImageFileError, match="16-bit colour"):
        read_image(tmp_path / "deep.png")


def test_pages_of_different_size_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "pages.tif") as tif:
        tif.write(np.zeros((8, 9), np.uint8))
        tif.write(np.zeros((8, 10), np.uint8))
    with pytest.raises(ImageFileError, match="planes of one size"):
        read_image(tmp_path / "pages.tif")


@pytest.mark.parametrize("name", ["text.tif", "text.ome.tif", "text.png", "empty.tif"])
def test_a_file_that_is_no_image_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("" if name.startswith("empty") else "x,y\n1,2\n" * 20)
    for read in (read_image, read_stack):
        with pytest.raises(ImageFileError) as error:
            read(path)
        one_line(error, path)


@pytest.mark.parametrize("read", [read_image, read_stack])
def test_a_missing_file_and_a_folder_are_refused(read, tmp_path: Path) -> None:
    for path in (tmp_path / "none.ome.tif", tmp_path):
        with pytest.raises(ImageFileError, match="cannot be opened") as error:
            read(path)
        one_line(error, path)


def test_a_truncated_png_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(ImageFileError, match="truncated"):
        read_image(path)
