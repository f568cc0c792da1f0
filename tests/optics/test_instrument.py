import pytest

from parfocal.errors import SettingsError
from parfocal.optics import PRESETS, QUALITIES, VirtualMicroscope, preset


def _yeast(**changes):
    return {"specimens": [{"kind": "yeast", **changes}]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"condensor": {}}, "unknown key 'condensor'", id="unknown room"),
        pytest.param({"camera": {"pixel_um": 0.1}}, "unknown key 'camera.pixel_um'", id="unknown key"),
        pytest.param(
            {"objective": {"numerical_aperture": 1.6}}, "below the immersion index", id="NA above index"
        ),
        pytest.param({"objective": {"numerical_aperture": 0}}, "greater than 0", id="NA of nothing"),
        pytest.param(
            {"condenser": {"numerical_aperture": 1.31}}, "at most the objective's 1.3", id="dark field"
        ),
        pytest.param(
            {"objective": {"numerical_aperture": 1.45}, "condenser": {"numerical_aperture": 1.4}},
            "below the medium's index 1.337",
            id="condenser above medium",
        ),
        pytest.param({"spectrum": {"shortest_um": 0.7}}, "shortest_um <= longest_um", id="spectrum"),
        pytest.param(_yeast(fewest_cells=200), "fewest_cells <= most_cells", id="cells"),
        pytest.param(_yeast(on_floor=0.7, under_ceiling=0.4), "<= 1, got 0.7 and 0.4", id="layers"),
        pytest.param(_yeast(diameter_um=9.0), "largest_diameter_um, got 3, 9 and 6", id="diameter"),
        pytest.param(_yeast(wall_um=0.5), "an eighth", id="wall"),
        pytest.param({"specimens": [{"kind": "worm"}]}, "'yeast', 'rods'", id="specimen"),
        pytest.param(
            {"objective": {"phase_ring": {"inner_na": 0.2}}}, "inner_na < outer_na, got 0.2", id="ring"
        ),
        pytest.param(
            {"objective": {"phase_ring": {"outer_na": 1.4}}},
            "within the numerical aperture 1.3",
            id="wide ring",
        ),
        pytest.param(
            {"objective": {"phase_ring": {}}}, "an annulus within the phase ring, NA 0.143", id="no annulus"
        ),
        pytest.param(
            {
                "objective": {"phase_ring": {}},
                "condenser": {"numerical_aperture": 0.17, "inner_numerical_aperture": 0.15},
            },
            "wider than the annulus by NA 0.0073 at either edge",
            id="field too small for the ring",
        ),
        pytest.param(
            {"condenser": {"inner_numerical_aperture": 0.3}}, "inner_numerical_aperture < num", id="annulus"
        ),
        pytest.param({"quality": {"grid_um": 0.25}}, "a grid of at most 0.188 um", id="grid"),
        pytest.param(
            {"camera": {"height_px": 40}}, "wider than the largest body, 10 um, got 9.6 um", id="field"
        ),
        pytest.param({"camera": {"height_px": 8}}, "greater than or equal to 16", id="frame"),
        pytest.param({"scan": {"step_um": 0}}, "'scan.step_um' = 0", id="step"),
        pytest.param({"chamber": {"medium_index": 0.9}}, "greater than or equal to 1", id="index"),
        pytest.param({"days": {"condenser_na": 0.9}}, "less than or equal to 0.2", id="days"),
    ],
)
def test_nonsense_is_refused_with_what_was_expected_and_what_came(change, said):
    with pytest.raises(SettingsError) as refused:
        VirtualMicroscope.parse(change, source="microscope.toml")
    assert said in str(refused.value)
    assert str(refused.value).startswith("microscope.toml: ")
    assert len(str(refused.value)) < 300  # not all settings of the microscope


@pytest.mark.parametrize(
    "change",
    [
        {"condenser": {"numerical_aperture": 1.3}},
        {"camera": {"pixel_size_um": 0.06}, "quality": {"grid_um": 0.5}},
        {"camera": {"height_px": 32, "width_px": 48}, "chamber": {"pillars": False}},
        {"spectrum": {"n_lines": 1, "shortest_um": 0.55, "longest_um": 0.55}},
        {"objective": {"numerical_aperture": 0.75, "immersion_index": 1.0, "magnification": 20}},
    ],
    ids=["condenser wide open", "the camera's grid is fine enough", "small field", "laser", "dry lens"],
)
def test_unusual_microscopes_are_allowed(change):
    microscope = VirtualMicroscope.parse(change, source="test")
    for part, values in change.items():
        assert getattr(microscope, part).model_dump().items() >= values.items()


def test_settings_survive_a_trip_through_toml(tmp_path):
    path = tmp_path / "microscope.toml"
    path.write_text(preset("yeast-40x", quality="benchmark").to_toml(), encoding="utf-8")
    assert VirtualMicroscope.from_toml(path) == preset("yeast-40x", quality="benchmark")


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("quality", QUALITIES)
def test_presets_come_in_three_qualities(name, quality):
    settings = preset(name, quality=quality)
    assert settings.name == name
    finer = [preset(name, quality=other).quality for other in QUALITIES]
    assert [q.n_source_points for q in finer] == sorted(q.n_source_points for q in finer)
    assert [-q.slice_um for q in finer] == sorted(-q.slice_um for q in finer)


@pytest.mark.parametrize(
    ("name", "quality", "said"),
    [("worm", "ci", "bacteria-100x, got 'worm'"), ("yeast-40x", "best", "benchmark, got 'best'")],
)
def test_an_unknown_name_is_answered_with_the_known_ones(name, quality, said):
    with pytest.raises(SettingsError, match=said):
        preset(name, quality=quality)


def test_lines_span_the_spectrum_evenly():
    spectrum = VirtualMicroscope().spectrum
    assert spectrum.lines_um.tolist() == pytest.approx([0.49, 0.525, 0.56, 0.595, 0.63])
    assert spectrum.replace(n_lines=1).lines_um.tolist() == [spectrum.centre_um]
