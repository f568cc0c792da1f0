"""Uneven light is taken out of a frame, and what is in the frame stays."""

from __future__ import annotations

import pytest
import torch

from parfocal.model.networks.flat_field import flattened, gains_at, light_of


def uneven(y_px: int, x_px: int) -> torch.Tensor:
    y, x = torch.meshgrid(torch.linspace(-1, 1, y_px), torch.linspace(-1, 1, x_px), indexing="ij")
    return 1 + 0.2 * x - 0.1 * y - 0.25 * (x**2 + y**2)


def with_cells(y_px: int, x_px: int) -> torch.Tensor:
    frame = torch.full((y_px, x_px), 1000.0)
    for k in range(6):
        frame[20 * k + 5 : 20 * k + 13, 15 * k + 4 : 15 * k + 12] += 200.0 * (-1) ** k
    return frame


@pytest.mark.parametrize("shape", [(128, 128), (140, 200)])
def test_light_from_one_side_makes_no_difference(shape: tuple[int, int]) -> None:
    even = with_cells(*shape)
    assert (flattened(even) - even).abs().max() < 20
    flat = flattened(even * uneven(*shape))
    torch.testing.assert_close(flat / flat.mean(), even / even.mean(), atol=0.02, rtol=0)


def test_an_even_frame_without_anything_stays() -> None:
    frame = torch.full((64, 96), 700.0)
    torch.testing.assert_close(flattened(frame), frame, atol=0.1, rtol=0)


@pytest.mark.parametrize("frame", [torch.zeros(40, 40), torch.rand(33, 50) * 1e4, torch.full((32, 32), 1e-9)])
def test_whatever_the_frame_its_values_stay_finite(frame: torch.Tensor) -> None:
    assert torch.isfinite(flattened(frame)).all()


def test_a_frame_keeps_its_mean() -> None:
    frame = with_cells(128, 128) * uneven(128, 128)
    assert float(flattened(frame).mean()) == pytest.approx(float(frame.mean()), rel=0.1)


def test_single_pixels_get_what_the_whole_frame_gets() -> None:
    frame = with_cells(100, 140) * uneven(100, 140)
    rows, columns = torch.tensor([3.0, 50.0]), torch.tensor([0.0, 70.0, 139.0])
    gains = gains_at(light_of(frame), rows, columns, shape_yx=(100, 140), mean=float(frame.mean()))
    expected = (flattened(frame) / frame)[rows.long()][:, columns.long()]
    torch.testing.assert_close(gains, expected, atol=1e-4, rtol=1e-4)
