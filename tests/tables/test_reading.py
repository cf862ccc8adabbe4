"""read_table: what it reads, and the one sentence it gives for each file that it can't read."""

import gzip
import os
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.night import at_night

from edgewise.errors import FileError, InputError, MissingExtraError
from edgewise.processes import memory_limit
from edgewise.tables import delimited, read_table, reading
from edgewise.tables import table as limits
from edgewise.tables.batches import Batches


@pytest.fixture
def write(tmp_path):
    def write(content, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def sentence(path, error=FileError, **options):
    with pytest.raises(error) as caught:
        read_table(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "text",
    [
        "a,b c,d\n1,x,3\n4,y y,6\n",
        "a;b c;d\n1;x;3\n4;y y;6\n",
        "a\tb c\td\n1\tx\t3\n4\ty y\t6\n",
        "a|b c|d\n1|x|3\n4|y y|6\n",
        'a "b c" d\n1 x 3\n4 "y y" 6\n',
        '  a   "b c"\t d  \n\n  1  x   3\n  4\t"y y"  6 \n',
        "a, b c, d\n1, x, 3\n\n4, y y, 6",
        '"a","b c","d"\r\n"1","x","3"\r\n"4","y y","6"\r\n',
        "a,b c,d\r1,x,3\r4,y y,6\r",
        "\ufeffa,b c,d\n1,x,3\n4,y y,6\n",
    ],
)
def test_delimiters_and_line_ends(write, text):
    table = read_table(write(text))
    assert table.names == ("a", "b c", "d")
    assert table.columns["a"].tolist() == [1, 4]
    assert table.columns["b c"].tolist() == ["x", "y y"]
    assert table.columns["d"].tolist() == [3, 6]
    assert table.columns["a"].dtype == np.float64
    assert table.n_rows == 2


def test_given_delimiters(write):
    path = write("a:b,c\n1:2\n")
    assert read_table(path, delimiter=":").names == ("a", "b,c")
    tabs = write("a\tb c\n1\t2\n")
    for delimiter in ("tab", "\t", "\\t"):
        assert read_table(tabs, delimiter=delimiter).names == ("a", "b c")


def test_quoted_cells_with_delimiters_and_line_ends(write):
    table = read_table(write('a,b\n"x, y",1\n"two\nlines",2\n"say ""hi""",3\n'))
    assert table.columns["a"].tolist() == ["x, y", "two\nlines", 'say "hi"']


def test_missing_markers(write):
    table = read_table(write("a,b\n1,x\nNA,n/a\nN/A,?\nnan,-\nnull,NULL\n,\n?,y\n-,NaN\n"))
    assert np.isnan(table.columns["a"]).tolist() == [False] + [True] * 7
    assert table.columns["b"].tolist() == ["x", None, None, None, None, None, "y", None]


def test_decimal_comma(write):
    table = read_table(write("a;b;c\n1,5;2;x\n-2,25e1;;y,5\n"))
    assert table.columns["a"].tolist() == [1.5, -22.5]
    assert table.columns["b"][0] == 2
    assert table.columns["c"].tolist() == ["x", "y,5"]
    assert table.decimal == ","
    # Point and comma together: a guess could be wrong by a factor of a thousand, so this stays text.
    assert read_table(write("a;b\n1,5;1.234,5\n2,5;7,5\n")).columns["b"].dtype == object


@pytest.mark.parametrize("cell", ["1_000", "\u0661", "0x10", "5%", "1 2"])
def test_not_numbers(write, cell):
    assert read_table(write(f"a,b\n1,{cell}\n")).columns["b"].tolist() == [cell]


@pytest.mark.slow
def test_text_that_comes_late_keeps_its_spelling(write):
    rows = ["01,1"] * 220_000 + ["A1,2"]
    table = read_table(write("code,n\n" + "\n".join(rows)))
    assert table.columns["code"][0] == "01"
    assert table.columns["code"][-1] == "A1"
    assert table.columns["n"][-1] == 2


def test_gzip_with_and_without_its_suffix(write):
    packed = gzip.compress(b"a,b\n1,2\n")
    for name in ("t.csv.gz", "t.csv"):
        assert read_table(write(packed, name)).columns["b"].tolist() == [2]


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "got an empty file"),
        (b"\n \n", "got an empty file"),
        (b"\xef\xbb\xbf", "got an empty file"),
        (b"a,b\n", "got a header only"),
        (b"a,b\n\n  \n", "got a header only"),
        (b"a,b\n1,2\n3\n", "2 cells were expected in every line, as in the header, got 1 in line 3 (delimiter ',')"),
        (b"a;b\n1;2\n\n3;4;5\n", "got 3 in line 4 (delimiter ';')"),
        (b"a b\n1 2\n3 4 5\n", "got 3 in line 3 (delimiter whitespace)"),
        (b"a,b,a\n1,2,3\n", "got 'a' for columns 1 and 3"),
        (b",b\n0,2\n1,3\n", "got an empty one for column 1; if it is a row index, leave it out"),
        (b"a,,c\n1,2,3\n", "got an empty one for column 2"),
        (b"a,b\n1,caf\xe9\n", "got byte 0xe9 at byte position 9 (line 2); save the file as UTF-8"),
        (b"\xef\xbb\xbfa,b\n1,\xff\n", "got byte 0xff at byte position 9 (line 2)"),
        ("a,b\n1,2\n".encode("utf-16"), "got byte 0xff at byte position 0 (line 1)"),
        (b"a,b\n1,\x002\n", "got a NUL byte at byte position 6 (line 2)"),
        (b'a,b\n1,"2\n3,4\n', "is a quotation mark never closed?"),
        (b'a,b\n1,"2"x\n3,4\n', "got a line 2 that can't be split (a quotation mark stands where none may)"),
        (
            b"a,b\n1," + b"x" * 200_000 + b"\n",
            "(a cell has more than 131,072 characters; is a quotation mark never closed?)",
        ),
        (b"1.5,2.5\n3.5,4.5\n", "names of the columns was expected, got numbers ('1.5')"),
        (b"PK\x03\x04whatever", "zip archive or spreadsheet; save it as CSV"),
        (b"PAR1", "a Parquet file was expected, got one that is damaged or cut short"),
    ],
)
def test_broken_text(write, content, words):
    path = write(content)
    message = sentence(path)
    assert words in message
    assert str(path) in message


def test_broken_gzip(write):
    packed = gzip.compress(b"a,b\n" + bytes(range(48, 58)) * 50 + b",1\n")
    assert "gzipped text was expected by the name" in sentence(write(b"a,b\n1,2\n", "t.csv.gz"))
    assert "cut short" in sentence(write(packed[:-12], "t.csv.gz"))
    damaged = bytearray(packed)
    damaged[-6] ^= 255
    assert "damaged" in sentence(write(bytes(damaged), "t.csv.gz"))
    assert "got an empty file" in sentence(write(gzip.compress(b""), "t.csv.gz"))


def test_missing_file_folder_and_pipe(tmp_path):
    assert "got no such file" in sentence(tmp_path / "nothing.csv")
    assert "got a folder" in sentence(tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    assert "got a device or pipe" in sentence(tmp_path / "pipe.csv")
    assert "null character" in sentence("a\0b.csv")
    assert "too long" in sentence(tmp_path / ("x" * 300))


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_a_hundred_thousand_columns_are_refused_fast(write, delimiter):
    names = delimiter.join(f"c{i}" for i in range(100_000))
    row = delimiter.join("1" for _ in range(100_000))
    path = write("\n".join([names, *[row] * 30]))
    started = time.process_time()
    assert "at most 10,000 columns were expected, got 100,000" in sentence(path)
    assert time.process_time() - started < 5


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", "a", ".", 3])
def test_wrong_delimiter(write, delimiter):
    message = sentence(write("a,b\n1,2\n"), InputError, delimiter=delimiter)
    assert message.startswith("delimiter must be one character" if isinstance(delimiter, str) else "delimiter must be")


def parquet(tmp_path, **columns):
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def test_parquet_types(tmp_path):
    path = parquet(
        tmp_path,
        small=pa.array([1, None], pa.int8()),
        big=pa.array([2**63, 1], pa.uint64()),
        half=pa.array([0.5, 1.5], pa.float32()),
        money=pa.array([1, 2], pa.decimal128(9, 2)),
        flag=pa.array([True, None]),
        word=pa.array(["x", None]),
        level=pa.array(["u", "v"]).dictionary_encode(),
        spelled=pa.array(["1.5", "NA"]),
        empty=pa.nulls(2),
        **{"a.b": [1, 2], "a": [3, 4]},
        day=pa.array([1, 2], pa.date32()),
        moment=pa.array([1, 2], pa.timestamp("us")),
        many=[[1], [2, 3]],
        raw=[b"x", b"y"],
    )
    table = read_table(path)
    assert table.n_rows == 2
    assert table.columns["small"][0] == 1
    assert np.isnan(table.columns["small"][1])
    assert table.columns["big"].tolist() == [2.0**63, 1]
    assert table.columns["half"].tolist() == [0.5, 1.5]
    assert table.columns["money"].tolist() == [1, 2]
    assert table.columns["flag"].tolist() == ["True", None]
    assert table.columns["word"].tolist() == ["x", None]
    assert table.columns["level"].tolist() == ["u", "v"]
    assert table.columns["spelled"][0] == 1.5
    assert np.isnan(table.columns["empty"]).all()
    assert table.columns["a.b"].tolist() == [1, 2]
    assert table.columns["a"].tolist() == [3, 4]
    assert table.columns["day"].astype("datetime64[D]").astype(int).tolist() == [1, 2]
    assert table.columns["moment"].astype(int).tolist() == [1, 2]
    assert table.refused["many"] == "values of type list<element: int64>"
    assert table.refused["raw"] == "values of type binary"
    assert all(c.dtype in (np.float64, object, "datetime64[us]") for c in table.columns.values())


def test_broken_parquet(tmp_path, write):
    path = parquet(tmp_path, a=[1, 2])
    content = path.read_bytes()
    for broken in (content[:-20], content[:50] + content[60:], b"PAR1" + b"\0" * 100 + b"PAR1"):
        assert "damaged or cut short" in sentence(write(broken, "t.parquet"))
    assert "column names only" in sentence(parquet(tmp_path, a=pa.array([], pa.int64())))
    assert "at least one column" in sentence(parquet(tmp_path))
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    assert "got 'a' for columns 1 and 2" in sentence(path)
    assert "damaged or cut short" in sentence(write(b"a,b\n1,2\n", "u.parquet"))


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    path = parquet(tmp_path, a=[1, 2])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert sentence(path, MissingExtraError).endswith("pip install 'edgewise[tables]'")


@pytest.mark.slow
def test_importing_tables_and_reading_csv_loads_neither_pandas_nor_pyarrow(write):
    code = (
        "import sys; from edgewise.tables import delimited, read_table, reading; read_table(sys.argv[1]);"
        "assert not {'pandas', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, write("a,b\n1,2\n")], check=True)


@pytest.mark.slow
def test_files_made_to_fill_the_memory_are_refused(tmp_path, monkeypatch):
    """Compressed text and Parquet that unpack to a thousand times their size, and a line without an end."""
    packed, rows = tmp_path / "t.csv.gz", b"a,b\n" + b"0,0\n" * 100_000
    packed.write_bytes(gzip.compress(rows))
    arrow = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": pa.array(np.zeros(100_000))}), arrow)
    assert read_table(packed).n_rows == read_table(arrow).n_rows == 100_000
    monkeypatch.setattr(limits, "UNPACKED_FLOOR", 1000)
    monkeypatch.setattr(delimited, "_LONGEST_LINE", 1000)
    assert "unpacks to at most 100 times its size" in sentence(packed)
    assert "unpacks to at most 100 times its size" in sentence(arrow)
    monkeypatch.setenv(limits.RATIO_VARIABLE, "10000")
    assert read_table(packed).n_rows == read_table(arrow).n_rows == 100_000
    monkeypatch.setenv(limits.RATIO_VARIABLE, "many")
    with pytest.raises(InputError, match=r"EDGEWISE_UNPACKED_RATIO must be a number above 1, got 'many'"):
        read_table(packed)
    long = tmp_path / "long.csv"
    long.write_bytes(b"a,b\n1," + b"2" * 2000)
    assert "lines of at most 1,000 bytes were expected, got a longer line 2" in sentence(long)


@pytest.mark.slow
@pytest.mark.parametrize("encode", [True, *at_night(False)])
def test_texts_of_a_parquet_file_are_counted_before_they_are_made(tmp_path, encode):
    """A few kilobytes on disk with gigabytes of text: one text in each of many rows, and columns of lists."""
    path, rows = tmp_path / "t.parquet", 3000 if encode else 300
    words = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["x" * (1 << 20)]))
    table = pa.table({"a": words if encode else words.cast("string"), "y": np.arange(rows)})
    pq.write_table(table, path, compression="zstd", use_dictionary=encode)
    del table, words
    for read in (read_table, lambda file: list(Batches(file, target="y"))):
        message = r"unpacks to at most 100 times its size was expected, got one of more than"
        with pytest.raises(FileError, match=message), memory_limit("1 GB"):
            read(path)


def test_columns_that_no_model_can_use_are_not_decoded(tmp_path, monkeypatch):
    path = parquet(tmp_path, a=[1.0, 2.0], many=[[1], [2, 3]], raw=[b"x", b"y"])
    decoded = []
    monkeypatch.setattr(reading, "decoded_bytes", lambda batch: decoded.append(batch.schema.names) or 0)
    assert read_table(path).refused == {"many": "values of type list<element: int64>", "raw": "values of type binary"}
    assert decoded == [["a"]]


@pytest.mark.parametrize("end", [b"\n", b"\r"])
def test_blank_lines_without_end_are_refused(write, monkeypatch, end):
    monkeypatch.setattr(delimited, "_MOST_BLANK", 1000)
    assert read_table(write(b"a,y\n" + (b"1,2" + 2 * end) * 3000)).n_rows == 3000
    assert "rows of a table were expected, got 1,000 blank lines" in sentence(write(b"a,y\n1,2\n" + 1100 * end))


def test_files_of_a_folder_must_have_the_same_columns(tmp_path):
    for number, name in enumerate(("a", "b")):
        pq.write_table(pa.table({name: [1.0, 2.0], "y": [0.0, 1.0]}), tmp_path / f"{number}.parquet")
    with pytest.raises(FileError, match=r"1\.parquet: the columns of .*0\.parquet were expected, 'a' is in one alone"):
        read_table(tmp_path)
