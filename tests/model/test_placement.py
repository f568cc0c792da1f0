"""Mixed precision is for the network's insides, not for what it looks at."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from parfocal.errors import SettingsError
from parfocal.model.placement import as_started, has_fast_bf16, is_leader, is_started_by_cluster, place


class _Looking(nn.Module):
    """Keeps what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        self.shown, self.inside = x, self.layer(x)
        return self.inside


@pytest.mark.parametrize(
    ("precision", "inside"), [("bf16-mixed", torch.bfloat16), ("32-true", torch.float32)]
)
def test_grey_values_reach_the_network_unrounded(precision: str, inside: torch.dtype) -> None:
    fabric = place(precision)
    looking = _Looking()
    network = fabric.setup(looking)
    grey = fabric.to_device(torch.tensor([[30001.0, 65535.0]]))  # in bfloat16: 29952 and 65536
    out = network(grey)
    assert torch.equal(looking.shown, grey) and looking.inside.dtype == inside
    assert out.dtype == torch.float32


def test_the_machine_chooses_where_nothing_is_said() -> None:
    fabric = place("auto")
    looking = _Looking()
    fabric.setup(looking)(fabric.to_device(torch.ones(1, 2)))
    assert looking.inside.dtype == (torch.bfloat16 if has_fast_bf16() else torch.float32)


TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "2", "GROUP_WORLD_SIZE": "3"}


@pytest.mark.parametrize(
    ("environment", "by_cluster", "counts", "leads"),
    [
        pytest.param({}, False, (4, 1), True, id="nobody"),
        pytest.param({"SLURM_NTASKS": "4"}, False, (4, 1), True, id="a batch script"),
        pytest.param(
            {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3"}, True, (4, 1), False, id="srun, its fourth"
        ),
        pytest.param({**TORCHRUN, "RANK": "0"}, True, (2, 3), True, id="torchrun, its first"),
        pytest.param({**TORCHRUN, "RANK": "1"}, True, (2, 3), False, id="torchrun, its second"),
        pytest.param({"NODE_RANK": "1"}, False, (4, 1), False, id="the second machine"),
    ],
)
def test_a_process_knows_who_started_it(
    environment: dict[str, str],
    by_cluster: bool,
    counts: tuple[int, int],
    leads: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_started_by_cluster() is by_cluster
    assert as_started(devices=4, nodes=1) == counts
    assert is_leader() is leads


def test_another_number_of_processes_than_devices_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    with pytest.raises(SettingsError, match=r"devices, 1 on each of 1 machines; it started 4"):
        as_started(devices=1, nodes=1)
