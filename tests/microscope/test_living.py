import numpy as np
import pytest

from parfocal.microscope import ColonySettings, FlowSettings, living_specimen
from parfocal.optics import (
    BeadSettings,
    RodSettings,
    VirtualMicroscope,
    YeastSettings,
    exit_field,
)
from tiny_microscope import TINY

DAY_S = 24 * 3600.0
CALM = FlowSettings(clusters_per_day=0.0, bubbles_per_day=0.0, debris_per_day=0.0)
WIDE = TINY.replace(camera={"height_px": 96, "width_px": 128})


def living(
    settings: VirtualMicroscope = WIDE,
    *,
    flow: FlowSettings = CALM,
    colony: ColonySettings | None = None,
    start=4,
    end=12,
    seed=2,
):
    return living_specimen(
        settings,
        cells_at_start=start,
        cells_at_end=end,
        hours=24.0,
        colony=colony or ColonySettings(),
        flow=flow,
        seed=seed,
    )


def summary(scene):
    return [(*body.centre_um, *body.reach_um, body.delta_index) for body in scene.bodies]


@pytest.mark.parametrize(
    "specimens",
    [
        pytest.param((YeastSettings(),), id="yeast"),
        pytest.param((BeadSettings(),), id="beads"),
        pytest.param((YeastSettings(), BeadSettings()), id="mixture"),
        pytest.param((), id="empty"),
    ],
)
def test_a_scene_follows_from_its_time_alone(specimens):
    settings = WIDE.replace(specimens=[specimen.model_dump() for specimen in specimens])
    busy = FlowSettings(bubbles_per_day=50, debris_per_day=50)
    specimen, other = living(settings, flow=busy), living(settings, flow=busy)
    times_s = [40_000.0, 0.0, 80_000.0]
    asked = {t_s: summary(specimen.scene_at(t_s)) for t_s in times_s}
    for t_s in sorted(times_s):
        assert summary(other.scene_at(t_s)) == asked[t_s]


@pytest.mark.parametrize("kind", [YeastSettings(), BeadSettings()], ids=lambda kind: kind.kind)
def test_cells_become_more_and_the_height_in_focus_stays(kind):
    specimen = living(WIDE.replace(specimens=[kind.model_dump()]))
    counts = [specimen.n_cells_at(3600.0 * hour) for hour in range(25)]
    assert counts[0] == 4
    assert counts[-1] == pytest.approx(12, abs=2)
    heights_um = {specimen.scene_at(t_s).focus_height_um for t_s in np.linspace(0, 2 * DAY_S, 12)}
    assert heights_um == {specimen.focus_height_um}


def test_cells_of_other_kinds_join_those_that_are_there():
    specimen = living(WIDE.replace(specimens=[BeadSettings().model_dump()]))
    early, late = specimen.scene_at(0.0).cells_xyh_um, specimen.scene_at(DAY_S).cells_xyh_um
    assert len(late) > len(early)
    for place in early:
        assert np.abs(late - place).max(axis=1).min() == 0


def test_the_height_in_focus_is_where_the_floor_cells_are():
    specimen = living(WIDE.replace(camera={"height_px": 256, "width_px": 256}), start=15, end=100)
    for t_s in np.linspace(0, DAY_S, 6):
        on_floor = [c for c in specimen.scene_at(t_s).cells if c.layer == "floor" and c.radius_um > 1.8]
        assert on_floor
        mean_um = np.average([c.height_um for c in on_floor], weights=[c.radius_um**2 for c in on_floor])
        assert mean_um == pytest.approx(specimen.focus_height_um, abs=0.3)


def test_living_yeast_keeps_clear_of_pillars_and_other_cells():
    settings = TINY.replace(
        camera={"height_px": 256, "width_px": 256},
        chamber={"pillars": True},
        specimens=[YeastSettings().model_dump(), BeadSettings().model_dump()],
    )
    scene = living(settings, start=15, end=100).scene_at(DAY_S)
    yeast = np.array([(c.x_um, c.y_um, c.radius_um) for c in scene.cells if c.kind == "yeast"])
    pillar = scene.bodies[0]
    apart = np.abs(yeast[:, :2] - pillar.centre_um[:2])
    apart = np.minimum(apart, 61.44 - apart)
    assert len(yeast) > 80
    assert (np.hypot(*apart.T) - yeast[:, 2]).min() > pillar.radius_um - 0.6


def passing(flow):
    """Body and time of the first thing to be in the middle of a field of nothing else."""
    settings = WIDE.replace(specimens=[])
    specimen = living(settings, flow=flow)
    middle_um = settings.camera.field_yx_um[1] / 2
    for t_s in np.arange(0, DAY_S, 30.0):
        scene = specimen.scene_at(t_s)
        if len(scene.bodies) == 1 and abs(scene.bodies[0].centre_um[0] - middle_um) < 2:
            return scene, settings
    raise AssertionError("nothing passed")


def test_a_bubble_under_the_ceiling_is_dark_below_and_keeps_the_light():
    flow = CALM.replace(bubbles_per_day=20, smallest_bubble_um=2.0, largest_bubble_um=3.0)
    scene, settings = passing(flow)
    (bubble,) = scene.bodies
    assert bubble.delta_index == pytest.approx(1.0 - scene.medium_index)
    assert bubble.centre_um[2] + bubble.reach_um[2] == pytest.approx(scene.height_um)
    light = exit_field(scene, settings, seed=1)
    below = light.intensity(light.focus_z_um - 4.0)
    column, row = (int(um / 0.24) % px for um, px in zip(bubble.centre_um[:2], (128, 96), strict=True))
    assert np.all(np.isfinite(below))
    assert below.mean() == pytest.approx(1.0, abs=0.02)
    assert below[row - 2 : row + 3, column - 2 : column + 3].mean() < 0.5


def test_debris_takes_light_away():
    scene, settings = passing(CALM.replace(debris_per_day=40, largest_debris_um=2.0))
    (flake,) = scene.bodies
    assert flake.delta_index.imag > 0
    light = exit_field(scene, settings, seed=1)
    assert 0.8 < light.intensity(light.focus_z_um).mean() < 0.9999


def test_yeast_under_a_bubble_is_pressed_out_of_its_place():
    flow = CALM.replace(bubbles_per_day=30, smallest_bubble_um=5.0, largest_bubble_um=6.0)
    quiet, busy = living(start=8, end=8), living(start=8, end=8, flow=flow)
    fewer = [
        len(quiet.scene_at(t_s).cells) - len(busy.scene_at(t_s).cells) for t_s in np.arange(0, DAY_S, 600.0)
    ]
    assert min(fewer) == 0
    assert max(fewer) > 0


@pytest.mark.parametrize("t_s", [0.0, DAY_S], ids=["start", "end"])
@pytest.mark.parametrize(
    "specimens",
    [
        pytest.param((BeadSettings(smallest_diameter_um=3.0, largest_diameter_um=5.0),), id="beads"),
        pytest.param((RodSettings(),), id="rods"),
    ],
)
def test_a_full_field_counts_as_many_cells_as_it_shows(specimens, t_s):
    specimen = living(WIDE.replace(specimens=[kind.model_dump() for kind in specimens]), start=60, end=120)
    shown = specimen.scene_at(t_s).cells
    assert 5 < len(shown) < 60
    assert specimen.n_cells_at(t_s) == len(shown)


def test_cells_of_further_specimens_are_not_counted():
    kinds = BeadSettings(), YeastSettings(fewest_cells=5, most_cells=5)
    specimen = living(WIDE.replace(specimens=[kind.model_dump() for kind in kinds]))
    shown = [cell.kind for cell in specimen.scene_at(0.0).cells]
    assert specimen.n_cells_at(0.0) == shown.count("beads") == 4 < len(shown)


def test_yeast_under_a_bubble_is_not_counted():
    flow = CALM.replace(bubbles_per_day=30, smallest_bubble_um=5.0, largest_bubble_um=6.0)
    specimen = living(start=8, end=8, flow=flow, colony=ColonySettings(cycle_h=1e6))
    times_s = np.arange(6 * 3600.0, DAY_S, 600.0)  # the buds of the start have parted
    counts = [specimen.n_cells_at(t_s) for t_s in times_s]
    assert counts == [len(specimen.scene_at(t_s).cells) for t_s in times_s]
    assert min(counts) < max(counts)
