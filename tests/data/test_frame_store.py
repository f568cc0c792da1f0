"""Stacks beyond the memory allowed lie in a file, and nobody sees the difference."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import numpy as np
import pytest

from parfocal.data.frame_store import GIB, hold_stacks
from parfocal.errors import OutputError
from parfocal.zstack import ZStack

ONE_STACK_GIB = 3 * 5 * 7 / GIB


def stacks_of(*dtypes: str) -> list[ZStack]:
    random = np.random.default_rng(1)
    return [
        ZStack(random.integers(0, 255, (3, 5, 7)).astype(dtype), [0.0, 0.5, 2.0 + k], 0.24, {"number": k})
        for k, dtype in enumerate(dtypes)
    ]


def is_in_a_file(stack: ZStack) -> bool:
    array = stack.frames_zyx
    while isinstance(array.base, np.ndarray):
        array = array.base
    base = array.base.obj if isinstance(array.base, memoryview) else array.base
    return isinstance(base, mmap.mmap)


def test_stacks_come_back_as_they_were_in_their_order(tmp_path: Path) -> None:
    stacks = stacks_of("uint8", "uint16", "uint8", "float32")
    held = hold_stacks(iter(stacks), folder=tmp_path, memory_gib=0)
    for before, after in zip(stacks, held, strict=True):
        assert is_in_a_file(after)
        np.testing.assert_array_equal(before.frames_zyx, after.frames_zyx)
        np.testing.assert_array_equal(before.z_um, after.z_um)
        assert before.frames_zyx.dtype == after.frames_zyx.dtype
        assert (before.pixel_size_um, before.metadata) == (after.pixel_size_um, after.metadata)


def test_what_fits_stays_in_memory_uncopied(tmp_path: Path) -> None:
    stacks = stacks_of("uint8", "uint8", "uint8")
    held = hold_stacks(stacks, folder=tmp_path, memory_gib=2 * ONE_STACK_GIB)
    assert [is_in_a_file(stack) for stack in held] == [False, False, True]
    assert held[0] is stacks[0]


def test_no_file_is_left_even_while_it_is_used(tmp_path: Path) -> None:
    held = hold_stacks(stacks_of("uint8"), folder=tmp_path, memory_gib=0)
    assert is_in_a_file(held[0])
    if os.name != "nt":  # where a file that is open keeps its name
        assert list(tmp_path.iterdir()) == []


def test_frames_in_the_file_cannot_be_written_to(tmp_path: Path) -> None:
    (held,) = hold_stacks(stacks_of("uint8"), folder=tmp_path, memory_gib=0)
    with pytest.raises(ValueError, match="read-only"):
        held.frames_zyx[0] = 0


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    assert len(hold_stacks(stacks_of("uint8"), folder=tmp_path / "none", memory_gib=1)) == 1
    with pytest.raises(OutputError, match="memory allowed cannot be written there"):
        hold_stacks(stacks_of("uint8"), folder=tmp_path / "none", memory_gib=0)
