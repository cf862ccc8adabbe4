"""CSV and Parquet files to arrays: types, categories, missing values, affine scaling; stored with the model."""

from edgewise.tables.encode import TableEncoder
from edgewise.tables.read import read_table
from edgewise.tables.scaling import AffineScaling
from edgewise.tables.table import Table

__all__ = ["AffineScaling", "Table", "TableEncoder", "read_table"]
