"""Partitions of a distributed frame are read in order, row by row, in frames of a bounded number of rows."""

import pandas as pd

from edgewise.tables.batches.partitions import Partitions


def test_a_partition_is_read_whole_in_frames_of_a_bounded_number_of_rows():
    frame = pd.DataFrame({"x": range(5)})
    frames = list(Partitions([5], {0: frame}).read(0, 2))
    assert [len(part) for part in frames] == [2, 2, 1]
    pd.testing.assert_frame_equal(pd.concat(frames), frame)
