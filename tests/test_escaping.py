"""Texts of a user are shown by every medium and run by none."""

import ast
import csv
import html.parser
import io
import re
import shutil
import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgewise import escaping

# Texts made of each medium's control characters, which random letters would rarely contain.
HOSTILE = st.text(st.sampled_from("\\^~#$%&{}_<>\"'`|*/?-+=@,;:.\n\r\t\x00\x1b\x07\u202e5c Aé\ud800"), max_size=12)


@given(HOSTILE)
@example("^^5cinput^^7bsecret^^7d")
def test_latex_reads_no_command(text):
    shown = escaping.latex_text(text)
    assert "\n" not in shown and shown.isprintable()
    plain = re.sub(r"\{\\(?:backslash|wedge|sim)\}|\\[#$%&_{} ]", "", shown)
    assert not set(plain) & set("\\^~#$%&{}_")


@given(HOSTILE)
@example("a\n\\input{x}")
def test_latex_comments_stay_one_line(text):
    comment = escaping.latex_comment(text)
    assert comment.isprintable() and "^^" not in comment


class _Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, attributes))

    def handle_data(self, data):
        self.text += data


@given(HOSTILE)
@example('"><script>alert(1)</script>')
def test_html_shows_the_text_and_nothing_else(text):
    reader = _Reader()
    shown = escaping.html_text(text)
    reader.feed(f'<p title="{shown}">{shown}</p>')
    reader.close()
    assert reader.text == escaping.printable_text(text, kept="\n\t")
    assert reader.tags == [("p", [("title", reader.text)])]


@given(HOSTILE)
def test_terminals_receive_one_printable_line(text):
    assert escaping.terminal_line(text).isprintable()
    compile(f"# {escaping.python_comment(text)}\n", "comment", "exec", ast.PyCF_ONLY_AST)


def test_terminals_show_letters_of_all_scripts():
    assert escaping.terminal_line("Größe μ 高さ") == "Größe μ 高さ"
    assert escaping.terminal_line("a\tb\u202e") == "a\\tb\\u202e"


@given(HOSTILE)
@example("=cmd|' /C calc'!A0")
def test_spreadsheets_run_no_cell_and_pandas_reads_it_back(text):
    cell = escaping.csv_cell(text)
    assert not cell.startswith(escaping.FORMULA_STARTS)
    assert cell.removeprefix("'") == text.removeprefix("'")
    buffer = io.StringIO()
    csv.writer(buffer).writerow([cell])
    assert next(csv.reader(io.StringIO(buffer.getvalue(), newline=""))) == [cell]


def test_numbers_are_no_formulas():
    assert escaping.csv_cell("-1.5e-3") == "-1.5e-3" and escaping.csv_cell("+2") == "+2"
    assert escaping.csv_cells(["-a", 3]) == ["'-a", "3"]


@given(HOSTILE)
@example("a */ int x; /*")
def test_comments_of_c_end_only_where_they_should(text):
    comment = escaping.c_comment(text)
    assert not re.search(r"\*/|/\*|[\\?\n]", comment) and comment.isascii()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_strings_of_c_have_the_bytes_of_the_text(tmp_path):
    texts = ['"', "\\n", "??/", "é\x01" + "7", "%s", "a\nb"]
    listed = ", ".join(map(escaping.c_string, texts))
    loop = "for (int i = 0; i < 6; i++) puts(t[i]);"
    source = f"#include <stdio.h>\nint main(void) {{ const char *t[] = {{{listed}}}; {loop} }}\n"
    (tmp_path / "t.c").write_text(source)
    subprocess.run(["cc", "-std=c99", "-o", tmp_path / "t", tmp_path / "t.c"], check=True)
    written = subprocess.run([tmp_path / "t"], capture_output=True, check=True).stdout
    assert written.decode() == "".join(f"{text}\n" for text in texts)


@given(HOSTILE, st.lists(HOSTILE, max_size=3))
@example("../../etc/passwd", [])
@example("CON", [])
def test_file_names_have_no_folder_and_are_new(text, others):
    taken = [escaping.file_name(other) for other in others]
    name = escaping.file_name(text, taken)
    assert re.fullmatch(r"[\w.\-]+", name) and name not in (".", "..") and not name.startswith(".")
    assert name.casefold() not in {each.casefold() for each in taken}
