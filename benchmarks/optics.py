"""Speed and error of the virtual microscope: qualities, presets, full frames, live images.

Times are of one thread and one worker. The rows of a table take turns, so that a busy machine slows all of
them. Errors are of contrast (L2), beside `plain_reference` with every wave that fits the condenser.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from plain_reference import reference_stack, source_cycles

from parfocal.optics import (
    PRESETS,
    QUALITIES,
    ExitField,
    LiveLight,
    QualitySettings,
    Scene,
    VirtualMicroscope,
    exit_field,
    expose,
    index_volume,
    preset,
    scene_of,
    sharpened,
)

DEFOCUS_UM = (-15.0, -10.0, -5.0, -2.0, 0.0, 2.0, 5.0, 10.0, 15.0)
N_CELLS_PER_UM2 = 60 / 61.44**2
ONE_LIGHT = {
    f"one light, S {n}": QualitySettings(grid_um=0.16, slice_um=slice_um, n_source_points=n)
    for n, slice_um in ((64, 0.375), (144, 0.3))
}
"""Abbe's sum with one grid and one set of source points for all planes, as a measure."""
FULL_FRAME = {
    "pixel_size_um": 0.06,
    "height_px": 1552,
    "width_px": 2080,
    "background_electrons": 1000.0,
    "read_noise_electrons": 8.0,
    "electrons_per_count": 0.56,
}


def scene(settings: VirtualMicroscope) -> Scene:
    height_um, width_um = settings.camera.field_yx_um
    n_cells = round(N_CELLS_PER_UM2 * height_um * width_um) if settings.name == "yeast-40x" else None
    return scene_of(settings.specimens, settings.chamber, (height_um, width_um), seed=0, n_cells=n_cells)


def seconds(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def planes_um(settings: VirtualMicroscope) -> NDArray[np.float64]:
    scan = settings.scan
    return np.arange(-scan.half_range_um, scan.half_range_um + scan.step_um / 2, scan.step_um)


def time_of_stack(settings: VirtualMicroscope, *, device: str) -> tuple[float, float, float]:
    """Seconds for the light, for a plane in focus and for a whole stack without the camera."""
    specimen, fields = scene(settings), list[ExitField]()
    light_s = seconds(lambda: fields.append(exit_field(specimen, settings, seed=0, device=device)))
    field = fields[0]
    focus_s = seconds(lambda: field.intensity(field.focus_z_um))
    planes_s = seconds(lambda: [field.intensity(field.focus_z_um + z) for z in planes_um(settings)])
    return light_s, focus_s, light_s + planes_s


def stack_times(
    microscopes: Mapping[str, VirtualMicroscope], *, rounds: int, device: str
) -> dict[str, NDArray[np.float64]]:
    runs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in microscopes}
    for _ in range(rounds):
        for name, settings in microscopes.items():
            runs[name].append(time_of_stack(settings, device=device))
    return {name: np.median(times, axis=0) for name, times in runs.items()}


def qualities(name: str) -> dict[str, VirtualMicroscope]:
    one_light = {words: preset(name).replace(quality=quality) for words, quality in ONE_LIGHT.items()}
    return one_light | {quality: preset(name, quality=quality) for quality in QUALITIES}


def print_speed(*, rounds: int, device: str) -> None:
    microscopes = qualities("yeast-40x")
    reference_s, n_waves = reference_time(microscopes["training"])
    print(f"31 planes of a 61 um field (yeast-40x, {device}); plain reference: {reference_s:.0f} s")
    print(f"({n_waves} waves, one at a time, complex128, 512 x 512, slices of 0.15 um; from one wave)")
    print(f"{'quality':<16} {'light s':>8} {'focus ms':>9} {'stack s':>8} {'reference / stack':>18}")
    for name, (light_s, focus_s, stack_s) in stack_times(microscopes, rounds=rounds, device=device).items():
        ratio = reference_s / stack_s
        print(f"{name:<16} {light_s:8.2f} {1e3 * focus_s:9.1f} {stack_s:8.2f} {ratio:18.0f}", flush=True)


def reference_time(settings: VirtualMicroscope) -> tuple[float, int]:
    """Seconds that the plain reference would take, and its plane waves."""
    volume = index_volume(scene(settings), grid_yx=(512, 512), n_slices=40)
    lines_um = settings.spectrum.lines_um
    n_waves = sum(len(source_cycles(settings, float(line))) for line in lines_um)
    one = [(float(lines_um[0]), 3, 4)]
    one_s = seconds(lambda: reference_stack(volume, settings, planes_um(settings), waves=one))
    return n_waves * one_s, n_waves


def print_errors(*, seeds: Sequence[int]) -> None:
    small = {"height_px": 64, "width_px": 64}
    microscopes = {
        name: settings.replace(camera={**settings.camera.model_dump(), **small}, chamber={"pillars": False})
        for name, settings in qualities("yeast-40x").items()
    }
    specimen = scene(microscopes["training"])
    volume = sharpened(index_volume(specimen, grid_yx=(128, 128), n_slices=40))
    focus_z_um = specimen.focus_height_um * 1.515 / specimen.medium_index
    start = time.perf_counter()
    exact = reference_stack(volume, microscopes["training"], focus_z_um + np.array(DEFOCUS_UM))
    print(f"\nerror of contrast in %, 15 um field, {len(specimen.cells)} cells, beside the plain reference")
    print(f"(grid 0.12 um, slices 0.15 um, every wave of the condenser, {time.perf_counter() - start:.0f} s)")
    print(f"{'z um':<16}" + "".join(f"{z:6.0f}" for z in DEFOCUS_UM) + "  within 5 um")
    for name, settings in microscopes.items():
        errors = np.mean([_errors(specimen, settings, exact, seed=seed) for seed in seeds], axis=0)
        print(f"{name:<16}" + "".join(f"{e:6.1f}" for e in errors[:-1]) + f"{errors[-1]:13.1f}", flush=True)


def _errors(
    specimen: Scene, settings: VirtualMicroscope, exact: NDArray[np.float64], *, seed: int
) -> NDArray[np.float64]:
    """Error of each plane, and of all planes within 5 um together, in % of the contrast."""
    field = exit_field(specimen, settings, seed=seed)
    off = np.stack([field.intensity(field.focus_z_um + z) for z in DEFOCUS_UM]) - exact
    contrast = exact - exact.mean(axis=(1, 2), keepdims=True)
    near = np.abs(DEFOCUS_UM) <= 5
    by_plane = np.linalg.norm(off, axis=(1, 2)) / np.linalg.norm(contrast, axis=(1, 2))
    together = np.linalg.norm(off[near]) / np.linalg.norm(contrast[near])
    return 100 * np.append(by_plane, together)


def print_presets(*, device: str) -> None:
    print(f"\n{'preset':<20} {'frame':>10} {'planes':>7} {'ci s':>7} {'training s':>11}")
    for name in PRESETS:
        stack_s = [time_of_stack(preset(name, quality=q), device=device)[2] for q in ("ci", "training")]
        camera, n_planes = PRESETS[name].camera, len(planes_um(PRESETS[name]))
        frame = f"{camera.width_px} x {camera.height_px}"
        print(f"{name:<20} {frame:>10} {n_planes:7d} {stack_s[0]:7.2f} {stack_s[1]:11.2f}", flush=True)


def print_full_frames(*, device: str) -> None:
    print("\nfull frames, 2080 x 1552 pixels of 0.06 um (125 x 93 um); live: from any of +-15 um")
    print(f"{'quality':<16} {'light s':>8} {'stack s':>8} {'prepare s':>10} {'live ms':>8} {'camera ms':>10}")
    for quality in ("ci", "training"):
        settings = preset("yeast-40x", quality=quality).replace(camera=FULL_FRAME)
        light_s, _, stack_s = time_of_stack(settings, device=device)
        prepare_s, live_ms, camera_ms = live_times(settings, device=device)
        times = f"{light_s:8.2f} {stack_s:8.2f} {prepare_s:10.1f} {live_ms:8.1f} {camera_ms:10.1f}"
        print(f"{quality:<16} {times}", flush=True)


def live_times(settings: VirtualMicroscope, *, device: str) -> tuple[float, float, float]:
    """Seconds to keep the planes of a stack; then ms for an image at any position, and for its frame."""
    field = exit_field(scene(settings), settings, seed=0, device=device)
    live, generator = LiveLight(field), np.random.default_rng(0)
    prepare_s = seconds(lambda: live.prepare(field.focus_z_um - 15, field.focus_z_um + 15))
    live_s, camera_s = [], []
    for z_um in field.focus_z_um + generator.uniform(-15, 15, 41):
        start = time.perf_counter()
        image = live.intensity(z_um)
        live_s.append(time.perf_counter() - start)
        expose(image, settings.camera, generator=generator)
        camera_s.append(time.perf_counter() - start - live_s[-1])
    return prepare_s, 1e3 * float(np.median(live_s)), 1e3 * float(np.median(camera_s))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", choices=("speed", "errors", "presets", "full"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    parts: dict[str, Callable[[], None]] = {
        "speed": lambda: print_speed(rounds=options.rounds, device=options.device),
        "errors": lambda: print_errors(seeds=range(3)),
        "presets": lambda: print_presets(device=options.device),
        "full": lambda: print_full_frames(device=options.device),
    }
    for name, part in parts.items():
        if options.only in (None, name):
            part()


if __name__ == "__main__":
    main()
