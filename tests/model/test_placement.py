"""Mixed precision is for the network's insides, not for what it looks at."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from parfocal.model.placement import has_fast_bf16, place


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
