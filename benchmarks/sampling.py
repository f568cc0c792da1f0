"""Batches per second: the frame sampler beside a plain loop over torch's area interpolation.

The paper's 4X recipe: batches of 50 random crops of 1000 x 1000 pixels from frames of 2080 x 1552 at 16 bit,
turned, flipped and averaged down to 250 x 250; and the same at a scale that is no whole number, where torch's
interpolation rounds the edges of its areas to whole pixels and the sampler does not. Both ways run in turn,
batch by batch, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from parfocal.data.sampling import FrameSampler, SamplingSettings
from parfocal.zstack import ZStack

BATCH = 50
PIXEL_UM = 0.06


def plain_batch(stack: ZStack, step: int, *, side: int, new_side: int) -> torch.Tensor:
    """The same kind of batch, written down as it comes to mind."""
    generator = np.random.default_rng(step)
    crops = []
    for _ in range(BATCH):
        frame = stack.frames_zyx[generator.integers(stack.n_planes)]
        y, x = (generator.integers(length - side + 1) for length in frame.shape)
        crop = torch.from_numpy(frame[y : y + side, x : x + side].astype(np.float32))
        crop = crop.flip([axis for axis in (0, 1) if generator.integers(2)])
        crop = torch.rot90(crop, int(generator.integers(4)))
        crops.append(functional.interpolate(crop[None, None], size=(new_side, new_side), mode="area")[0])
    return torch.stack(crops)


def seconds(make: Callable[[], object]) -> float:
    start = time.perf_counter()
    make()
    return time.perf_counter() - start


def compare(stack: ZStack, scale: float, *, rounds: int) -> str:
    settings = SamplingSettings(crop_um=60.0, pixel_size_um=scale * PIXEL_UM)
    sampler = FrameSampler([(stack, 0.0)], settings, seed=0)
    new_side = sampler.sides_px[1]
    times = [
        (
            seconds(lambda step=step: sampler.batch(step, size=BATCH)),
            seconds(lambda step=step: plain_batch(stack, step, side=1000, new_side=new_side)),
        )
        for step in range(rounds + 1)
    ]
    ours, plain = np.median(times[1:], axis=0)  # the first round warms up
    return f"{scale:5.2f}X  sampler {1 / ours:6.2f}   plain loop {1 / plain:6.2f}   ratio {plain / ours:5.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    frames = np.random.default_rng(0).integers(0, 4096, (31, 1552, 2080), np.uint16)
    stack = ZStack(frames, np.arange(31.0), PIXEL_UM)
    print(f"batches of {BATCH} per second, {options.threads} thread(s), median of {options.rounds}")
    for scale in (2.0, 4.0, 10.0, 3.37):
        print(compare(stack, scale, rounds=options.rounds))


if __name__ == "__main__":
    main()
