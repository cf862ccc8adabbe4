"""Thousands of damaged CSV and Parquet files: each is read or gets one sentence, never anything else."""

import gzip
import io
import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edgewise.checkpoint import codec
from edgewise.errors import EdgewiseError
from edgewise.tables import InputEncoder, read_table
from edgewise.tables.target import Target, learn_target

CSV_FILES = 5_000
PARQUET_FILES = 1_000
CSV_SEEDS = (
    b"a,b,when,y\n" + b"".join(b"%d.5,%s,,%d\n" % (i * i % 7, [b"u", b"v", b""][i % 3], i % 2) for i in range(12)),
    b'a;"b ""c""";y\n1,5;"x\ny";1,25\n2,5;z;2,5\n-1e3;x;NA\n4,5;z;-7,5\n',
    b"\xef\xbb\xbfx\ty z\tname\r\n1\t2\tCaf\xc3\xa9\r\n3\t4\tB\r\n5\t7\tB\r\n",
    b"p  q   r\n1  2   3\n 4 5 6\n7  8   9.5\n",
)
# What files get wrong: delimiters, quotes, markers, numbers that aren't, dates, bytes that are no text.
PIECES = (
    *(b",", b";", b"\t", b" ", b"|", b'"', b'""', b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xc3", b"\xe2\x80\xa8"),
    *(b"NA", b"nan", b"inf", b"-inf", b"1e999", b"1_0", b"-", b"+", b"?", b"0x1", b"1,5", b"1.234,5", b"true", b"y"),
    *(b"2024-01-02", b"12:30", b"\xd9\xa1", b"=1+1", b"a" * 300, b"1" * 400, b"\x1f\x8b", b"PAR1", b"PK\x03\x04"),
)


def damaged(rng: random.Random, content: bytes, pieces=None) -> bytes:
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 3, 8, 20))):
        at = rng.randrange(len(data) + 1)
        what = rng.randrange(5)
        if what == 0:
            del data[at : at + rng.randrange(1, 12)]
        elif what == 1 and pieces:
            data[at:at] = rng.choice(pieces)
        elif what == 2 and rng.random() < 0.2:
            data = data[:at]
        elif what == 3:
            other = rng.randrange(len(data) + 1)
            data[at:at] = data[other : other + rng.randrange(1, 20)]
        elif data:
            data[at % len(data)] = rng.randrange(256)
    return bytes(data)


def outcome(path, rng: random.Random) -> str:
    """Reads, fits, encodes, predicts; what came of it. Any error but Edgewise's own fails the test."""
    try:
        table = read_table(path)
        target = "y" if "y" in table.names else rng.choice(table.names)
        response, _ = learn_target(table, target, rng.choice((None, None, "regression", "classification")))
        known = table.take(response.known(table))
        encoder = InputEncoder.fit(known.drop([target]))
        x = encoder.inputs_of(encoder.codes(known))
        y = response.encode(known)
    except EdgewiseError as error:
        message = str(error)
        assert "\n" not in message
        assert 20 < len(message) < 600
        return type(error).__name__
    assert np.isfinite(x).all()
    assert np.isfinite(y).all()
    assert x.shape == (len(y), len(encoder.feature_names))
    assert codec.read(InputEncoder, codec.plain(encoder), "encoder") == encoder
    assert codec.read(Target, codec.plain(response), "target") == response
    return "read"


@pytest.mark.slow
def test_damaged_csv(tmp_path):
    rng = random.Random(0)
    counts = Counter()
    for i in range(CSV_FILES):
        content = damaged(rng, rng.choice(CSV_SEEDS), PIECES)
        path = tmp_path / "t.csv"
        if i % 10 == 0:
            content, path = gzip.compress(content, 1), tmp_path / "t.csv.gz"
            content = damaged(rng, content) if i % 20 == 0 else content
        path.write_bytes(content)
        counts[outcome(path, rng)] += 1
    # Neither all refused nor all accepted: then the damage would test nothing.
    assert min(counts["read"], counts["FileError"], counts["InputError"]) > 200


@pytest.mark.slow
def test_damaged_parquet(tmp_path):
    rng = random.Random(2)
    columns = {
        "a": [1.5, 2, None, 4] * 5,
        "b": ["x", "y", "x", None] * 5,
        "c": list(range(20)),
        "e": [True, False] * 10,
        "y": [1.0, 2.0, 3.0, 4.0] * 5,
    }
    seeds = []
    for options in ({}, {"compression": "none", "use_dictionary": False}):
        file = io.BytesIO()
        pq.write_table(pa.table(columns), file, **options)
        seeds.append(file.getvalue())
    counts = Counter()
    for _ in range(PARQUET_FILES):
        (tmp_path / "t.parquet").write_bytes(b"PAR1" + damaged(rng, rng.choice(seeds)[4:]))
        counts[outcome(tmp_path / "t.parquet", rng)] += 1
    assert counts["FileError"] > 500
    assert counts["read"] > 20
