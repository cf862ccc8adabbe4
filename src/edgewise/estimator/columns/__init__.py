"""The columns of a table in an estimator: read from frames and arrays, stored in files, written as source.

`RowReader` is the part of the estimators that learns an `InputEncoder` and reads rows with it; `RowCheck` lists what is
strange about rows. `column_fields` and `read_columns` are for model files, `python_encoder` and `c_encoder` for
exports.
"""

from edgewise.estimator.columns.reading import RowCheck, RowReader
from edgewise.estimator.columns.source import c_encoder, python_encoder
from edgewise.estimator.columns.stored import column_fields, read_columns

__all__ = ["RowCheck", "RowReader", "c_encoder", "column_fields", "python_encoder", "read_columns"]
