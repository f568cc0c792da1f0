import pytest

from parfocal.errors import SettingsError
from parfocal.optics import PRESETS, QUALITIES, VirtualMicroscope, preset


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
        pytest.param({"yeast": {"fewest_cells": 200}}, "fewest_cells <= most_cells", id="cells"),
        pytest.param(
            {"yeast": {"on_floor": 0.7, "under_ceiling": 0.4}}, "<= 1, got 0.7 and 0.4", id="layers"
        ),
        pytest.param({"yeast": {"diameter_um": 9.0}}, "largest_diameter_um, got 3, 9 and 6", id="diameter"),
        pytest.param({"yeast": {"wall_um": 0.5}}, "an eighth", id="wall"),
        pytest.param({"quality": {"grid_um": 0.25}}, "a grid of at most 0.188 um", id="grid"),
        pytest.param(
            {"camera": {"frame_px": 40}}, "wider than the largest body, 10 um, got 9.6 um", id="field"
        ),
        pytest.param({"camera": {"frame_px": 8}}, "greater than or equal to 16", id="frame"),
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
    assert len(str(refused.value)) < 250  # not all settings of the microscope


@pytest.mark.parametrize(
    "change",
    [
        {"condenser": {"numerical_aperture": 1.3}},
        {"camera": {"pixel_size_um": 0.06}, "quality": {"grid_um": 0.5}},
        {"camera": {"frame_px": 32}, "chamber": {"pillars": False}},
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
    assert preset(name, quality=quality).quality == QUALITIES[quality]


@pytest.mark.parametrize(
    ("name", "quality", "said"),
    [("worm", "ci", "yeast-40x, got 'worm'"), ("yeast-40x", "best", "benchmark, got 'best'")],
)
def test_an_unknown_name_is_answered_with_the_known_ones(name, quality, said):
    with pytest.raises(SettingsError, match=said):
        preset(name, quality=quality)


def test_lines_span_the_spectrum_evenly():
    spectrum = VirtualMicroscope().spectrum
    assert spectrum.lines_um.tolist() == pytest.approx([0.49, 0.525, 0.56, 0.595, 0.63])
    assert spectrum.replace(n_lines=1).lines_um.tolist() == [spectrum.centre_um]
