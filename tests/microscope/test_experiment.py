import pytest

from parfocal.errors import SettingsError
from parfocal.microscope import ExperimentSettings


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param(
            {"stage_lowest_um": 200.0, "stage_highest_um": 0.0},
            "expected stage_lowest_um < stage_highest_um, got 200 and 0",
            id="travel upside down",
        ),
        pytest.param(
            {"stage_lowest_um": 103.0, "stage_highest_um": 103.0},
            "stage_lowest_um < stage_highest_um, got 103 and 103",
            id="no travel",
        ),
        pytest.param(
            {"focus_at_start_um": 198.0},
            "within the stage's travel, 0 to 200 um, got 201 um",
            id="starts above the travel",
        ),
        pytest.param({"start_defocus_um": -101.0}, "got -1 um", id="starts below the travel"),
        pytest.param({"scene_every_s": 5e-324}, "'scene_every_s' = 5e-324", id="scenes without end"),
        pytest.param({"stage_resolution_um": 5e-324}, "'stage_resolution_um' = 5e-324", id="no steps"),
        pytest.param(
            {"cells_at_start": 100, "cells_at_end": 50},
            "expected cells_at_start <= cells_at_end, got 100 and 50",
            id="fewer cells at the end",
        ),
    ],
)
def test_an_experiment_that_cannot_be_is_refused(changes, said):
    with pytest.raises(SettingsError) as refused:
        ExperimentSettings().replace(**changes)
    assert said in str(refused.value)


def test_an_experiment_may_start_at_the_ends_of_the_travel():
    assert ExperimentSettings(focus_at_start_um=0.0, start_defocus_um=0.0)
    assert ExperimentSettings(focus_at_start_um=200.0, start_defocus_um=0.0)
