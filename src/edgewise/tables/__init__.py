"""Tables from files to arrays: types, categories, missing values, scaling, all stored with the model.

`read_table` reads CSV or Parquet into a `Table` of named columns, `frame_table` a frame of pandas, polars or pyarrow.
`InputEncoder.fit` decides once how each column becomes inputs of a model and repeats that for every later table; its
sentences about columns are in `columns`. `AffineScaling` brings columns to the
range of a network.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.scaling import AffineScaling
    from edgewise.tables.frames import frame_table, is_frame
    from edgewise.tables.input_encoder import InputEncoder
    from edgewise.tables.reading import read_table
    from edgewise.tables.table import Table

__all__ = ["AffineScaling", "InputEncoder", "Table", "frame_table", "is_frame", "read_table"]

import_on_demand(__name__)
