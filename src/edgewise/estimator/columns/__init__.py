"""The columns of a table in an estimator: read from frames and arrays, stored in files, written as source.

`RowReader` is the part of the estimators that learns an `InputEncoder` and reads rows with it; `RowCheck` lists what is
strange about rows. `column_fields` and `read_columns` are for model files, `python_encoder` and `c_encoder` for
exports.
"""
