"""The columns of a table in an estimator: read from frames and arrays, and written as source.

`RowReader` is the part of the estimators that learns an `InputEncoder` and reads rows with it; `RowCheck` lists what is
strange about rows. `python_encoder` and `c_encoder` are for exports.
"""
