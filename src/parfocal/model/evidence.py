"""What is known of frames beside the network's answer, gathered from stacks, to learn what is familiar."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, islice

import numpy as np
import torch
from torch import Tensor, nn

from parfocal.model.estimator import answer
from parfocal.model.familiarity import Evidence, Familiarity, clipped_fraction, learn_familiarity, views_of
from parfocal.model.layers import softmax
from parfocal.model.recipe import Recipe
from parfocal.model.strange_frames import strange, varied
from parfocal.model.working_frame import working_frame
from parfocal.zstack import ZStack

LabelledStack = tuple[ZStack, float]
"""A stack and its focus position in um."""
MOST_FAMILIAR, MOST_STRANGE = 1500, 1200
"""Frames of each kind; more of them changed little, but for a model of many microscopes."""
OF_MANY = 4
"""So many times as many for that."""
FAR_UM = 5.0
"""Two layers so far apart have no one focus."""
BATCH = 16
PLACES = 4
"""Of which a part of a frame is taken."""
_SEED = 401


def learn_from_stacks(
    network: nn.Module,
    training: Sequence[LabelledStack],
    recipe: Recipe,
    *,
    rejects: Sequence[ZStack],
    held_out: Evidence,
    n_stacks: int,
) -> Familiarity:
    """What frames look like, from the training stacks, with strange frames made of them.

    Parameters
    ----------
    network : Module
        The trained network.
    training : sequence of (ZStack, focus_z_um)
    recipe : Recipe
    rejects : sequence of ZStack
        Of what must not be answered: strange as they are.
    held_out : Evidence
        Of frames of other stacks.
    n_stacks : int
        How many those are.
    """
    random = np.random.default_rng([recipe.training.seed, _SEED])
    stacks = [stack for stack, _ in training]
    factor = 1 if recipe.most_strange is None else OF_MANY
    familiar = _as_on_other_days(stacks, factor * MOST_FAMILIAR, recipe, generator=random)
    rejected = _as_on_other_days(rejects, factor * MOST_STRANGE, recipe, generator=random)
    made = _made_strange(training, factor * MOST_STRANGE, recipe, generator=random)
    return learn_familiarity(
        gather(network, familiar, recipe),
        gather(network, chain(rejected, made), recipe),
        held_out=held_out,
        n_stacks=n_stacks,
        most_strange=recipe.most_strange,
        usual_clipping=max(clipped_fraction(frame) for stack, _ in training for frame in stack.frames_zyx),
        seed=recipe.training.seed,
    )


def gather(network: nn.Module, frames: Iterable[Tensor], recipe: Recipe) -> Evidence:
    """What is known of some frames (y, x) at the working pixel, each seen as an estimator sees it."""
    network.eval()
    views, probabilities = [], []
    with torch.inference_mode():
        for batch in _batches(frames):
            outputs = _outputs(network, batch)
            features = outputs.get("features", [None] * len(batch))
            views += [views_of(frame.numpy(), own) for frame, own in zip(batch, features, strict=True)]
            probabilities += [softmax(logits) for logits in outputs["logits"]]
    defocus, spread = np.array([answer(p, recipe.bins, how=recipe.answer) for p in probabilities]).T
    of_frames = tuple(np.stack(view) for view in zip(*views, strict=True))
    return Evidence(of_frames, defocus, spread, np.stack(probabilities))


def seen(stack: ZStack, plane: int, recipe: Recipe) -> Tensor:
    """One frame (y, x) of a stack as the network sees it."""
    scale = recipe.sampling.pixel_size_um / stack.pixel_size_um
    field_px = None if recipe.field_um is None else max(round(recipe.field_um / stack.pixel_size_um), 1)
    return working_frame(stack.frames_zyx[plane], scale=scale, network=recipe.network, field_px=field_px)


def seen_in_part(frame: Tensor, recipe: Recipe, *, generator: np.random.Generator) -> Tensor:
    """A part of a frame (y, x) at the working pixel, where the model is to serve any field; else all of it.

    One in three is left whole; the sides of the others are even on a logarithmic scale. Of a few places that
    of most contrast is taken, as an empty one tells nothing.
    """
    if not recipe.any_field or generator.random() < 1 / 3:
        return frame
    sampling, largest = recipe.sampling, min(frame.shape)
    smallest_px = round((sampling.smallest_crop_um or sampling.crop_um) / sampling.pixel_size_um)
    smallest = min(max(smallest_px, recipe.network.smallest_px), largest)
    side = round(math.exp(generator.uniform(math.log(smallest), math.log(largest))))
    room = [length - side + 1 for length in frame.shape]
    parts = [frame[y : y + side, x : x + side] for y, x in generator.integers(room, size=(PLACES, 2))]
    return max(parts, key=lambda part: float(part.std())).contiguous()


def _outputs(network: nn.Module, batch: Sequence[Tensor]) -> dict[str, np.ndarray]:
    frames = torch.stack(list(batch))[:, None].to(next(network.parameters()).device)
    outputs: dict[str, Tensor] = network.outputs(frames)  # type: ignore[operator]
    return {name: value.float().cpu().numpy() for name, value in outputs.items()}


def _batches(frames: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Up to `BATCH` neighbours of one size."""
    for _, alike in groupby(frames, key=lambda frame: frame.shape):
        while batch := list(islice(alike, BATCH)):
            yield batch


def _as_on_other_days(
    stacks: Sequence[ZStack], most: int, recipe: Recipe, *, generator: np.random.Generator
) -> Iterator[Tensor]:
    """Frames of some stacks, two in three of them as they could look on another day."""
    for k, (number, plane) in enumerate(_drawn(stacks, most, generator=generator) if stacks else ()):
        frame = seen_in_part(seen(stacks[number], plane, recipe), recipe, generator=generator)
        yield torch.from_numpy(varied(frame.numpy(), generator=generator)) if k % 3 else frame


def _made_strange(
    training: Sequence[LabelledStack], most: int, recipe: Recipe, *, generator: np.random.Generator
) -> Iterator[Tensor]:
    stacks = [stack for stack, _ in training]
    planes = _drawn(stacks, most, generator=generator)
    for kind, (one, other) in enumerate(zip(planes, reversed(planes), strict=True)):
        is_far = abs(_defocus_um(training, *one) - _defocus_um(training, *other)) > FAR_UM
        frame, layer = (seen(stacks[number], plane, recipe).numpy() for number, plane in (one, other))
        made = torch.from_numpy(strange(frame, layer if is_far else None, kind=kind, generator=generator))
        yield seen_in_part(made, recipe, generator=generator)


def _defocus_um(training: Sequence[LabelledStack], number: int, plane: int) -> float:
    stack, focus_z_um = training[number]
    return float(stack.z_um[plane]) - focus_z_um


def _drawn(stacks: Sequence[ZStack], most: int, *, generator: np.random.Generator) -> list[tuple[int, int]]:
    """(stack, plane) of frames drawn at random: two for each that there is, but not more than so many."""
    planes = [(number, plane) for number, stack in enumerate(stacks) for plane in range(stack.n_planes)]
    return [planes[k] for k in generator.integers(len(planes), size=min(most, 2 * len(planes)))]
