"""Runs the Python snippets of README.md and of the pages in docs and writes what they print below them.

python tools/run_snippets.py [PAGE ...]

The snippets of a page are run in order, in one namespace and an empty folder. Where a block marked `text` follows a
snippet, it becomes the snippet's output. Numbers of the last digits differ between machines, so the tests demand that
every snippet runs and prints as many lines as its block has, not the same characters.
"""

import contextlib
import io
import os
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in ("tables", "from-pykan", "trust", "SKILL")),
    *sorted(page for folder in ("howto", "explanation", "moving") for page in (ROOT / "docs" / folder).glob("*.md")),
)
SNIPPET = re.compile(r"```python\n(?P<code>.*?)```\n(?P<shown>\n```text\n(?P<output>.*?)```\n)?", re.DOTALL)


def rewritten(page: str) -> str:
    """Return the text of a page with the outputs of its snippets."""
    scope: dict[str, object] = {"__name__": "__main__"}

    def with_output(match: re.Match[str]) -> str:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(match["code"], "snippet", "exec"), scope)
        if not match["shown"]:
            return match[0]
        lines = "\n".join(line.rstrip() for line in printed.getvalue().rstrip().splitlines())
        return f"```python\n{match['code']}```\n\n```text\n{lines}\n```\n"

    return SNIPPET.sub(with_output, page)


if __name__ == "__main__":
    for path in [Path(name).resolve() for name in sys.argv[1:]] or PAGES:
        before = path.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            after = rewritten(before)
        path.write_text(after, encoding="utf-8")
        print(f"{os.path.relpath(path)}: {'changed' if after != before else 'as it was'}")
