"""Z-stacks on disk: image files, dataset folders, annotations and splits.

Crops and batches for training are in `parfocal.data.sampling`, which is not imported here: it needs torch.
"""

from parfocal.data.annotation import Annotation
from parfocal.data.cells import CellRow, Cells, read_cells, write_cells
from parfocal.data.dataset import Dataset, DatasetSettings, ObjectiveRecord
from parfocal.data.importing import import_table
from parfocal.data.split import SplitRow, split_by_stack
from parfocal.data.stack_io import ImageFile, read_image, read_positions_um, read_stack, write_stack

__all__ = [
    "Annotation",
    "CellRow",
    "Cells",
    "Dataset",
    "DatasetSettings",
    "ImageFile",
    "ObjectiveRecord",
    "SplitRow",
    "import_table",
    "read_cells",
    "read_image",
    "read_positions_um",
    "read_stack",
    "split_by_stack",
    "write_cells",
    "write_stack",
]
