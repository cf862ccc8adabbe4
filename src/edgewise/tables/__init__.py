"""Tables from files to arrays: types, categories, missing values, scaling, all stored with the model.

`read_table` reads CSV or Parquet into a `Table` of named columns. `TableEncoder.fit` decides once how each column
becomes inputs of a model and repeats that for every later table; its sentences about columns are in `columns`.
`AffineScaling` brings columns to the range of a
network.
"""

from edgewise.tables.encoder import TableEncoder
from edgewise.tables.reading import read_table
from edgewise.tables.scaling import AffineScaling
from edgewise.tables.table import Table

__all__ = ["AffineScaling", "Table", "TableEncoder", "read_table"]
