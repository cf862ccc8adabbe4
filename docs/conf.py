"""The site: `make docs` builds it from the Markdown pages of this folder, and any warning ends the build."""

import inspect
import os
import re
import sys
from pathlib import Path

from docutils import nodes
from sklearn.datasets import load_diabetes
from sphinx.util import logging
from sphinx.util.inspect import stringify_signature

import edgewise
from edgewise import KANRegressor
from edgewise.explore import Session
from edgewise.explore.page.static import write_static
from edgewise.plot.themes import following_the_reader

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tools.readme_tables import rendered  # noqa: E402

logger = logging.getLogger(__name__)

project = "Edgewise"
author = "The Edgewise developers"
copyright = "The Edgewise developers, MIT licence"
version = release = edgewise.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build"]
# A word in backquotes that several classes have as an attribute stays a word.
suppress_warnings = ["ref.python"]
nitpicky = False  # types in docstrings are words, such as "array of shape (N, 2)", and not all are names of Python

# Pages are Markdown. Code of a tutorial runs while the site is built, and only where it changed since the last build.
myst_enable_extensions = ["colon_fence"]  # formulas are text: the pages load nothing from elsewhere
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / "build" / "docs-cache")
nb_execution_timeout = 300  # seconds for a cell on a busy machine; each takes a few on a quiet one
nb_execution_raise_on_error = True
nb_merge_streams = True
os.environ.setdefault("PYTHONWARNINGS", "error::UserWarning")  # of the notebooks' processes

# The reference. Summaries of docstrings name arguments and functions in single backquotes; those that can be found
# become links.
default_role = "autolink"
autosummary_generate = False
autodoc_member_order = "groupwise"
autodoc_typehints = "none"  # types stand in the docstrings, with shapes
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_param = False  # a type is a phrase, not the name of a class
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "pydata_sphinx_theme"
html_title = f"Edgewise {version}"
html_static_path = ["_static"]
html_extra_path = ["llms.txt"]
html_css_files = ["edgewise.css"]
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 4,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_version_warning_banner": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
# Pages without pages below them have no sidebar, which would hold a title alone.
html_sidebars = {"gallery": [], "explorer": []}
html_show_sourcelink = False
html_copy_source = False
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

# Files of the repository that are pages of the site too. Their pages in `project` hold one line that a reader of the
# sources sees; the text is read from the file.
COPIES = {
    "project/changelog": "CHANGELOG.md",
    "project/contributing": "CONTRIBUTING.md",
    "project/architecture": "ARCHITECTURE.md",
    "project/claims": "results/README.md",
}
PAGES = {ROOT / file: page for page, file in COPIES.items()} | {ROOT / "README.md": "index"}
LINK = re.compile(r"(!?\[[^\]\n]*(?:\n[^\]\n]*)?\])\((?!https?://|#)([^)\s#]+)(#[^)]*)?\)")


def read_source(app, name: str, source: list[str]) -> None:
    """Take the text of copied files, show long tables of results, and lead links to files to their pages."""
    here = ROOT / "docs" / name
    if name in COPIES:
        here = ROOT / COPIES[name]
        source[0] = here.read_text(encoding="utf-8")
    elif name.startswith("measured/"):
        source[0] = rendered(source[0], long_tables=True)
    app.env.note_dependency(str(here))  # so that a page is built anew when the file that its text is from has changed
    page_folder = (ROOT / "docs" / name).parent

    def moved(match: re.Match[str]) -> str:
        target, anchor = (here.parent / match[2]).resolve(), match[3] or ""
        if target in PAGES:
            target = ROOT / "docs" / f"{PAGES[target]}.md"
        elif not target.is_relative_to(ROOT / "docs") and (target.is_dir() or target.suffix == ".md"):
            return match[1][1:-1]  # folders and notes beside data have no page: their names stay, without a link
        return f"{match[1]}({os.path.relpath(target, page_folder)}{anchor})"

    source[0] = LINK.sub(moved, source[0])


# Docstrings are written to be read as text: outside code a star is a product, a bar is an absolute value, and an
# underscore at the end of a word belongs to a name, none of them markup. Sources are numbered in each docstring.
CODE_SPAN = re.compile(r"(`+[^`]+`+)")


def as_text(app, what, name, obj, options, lines: list[str]) -> None:
    """Protect a docstring's stars, bars and underscores, and make its numbered sources an ordinary list."""
    example = False
    for place, line in enumerate(lines):
        example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
        if example:
            continue
        line = re.sub(r"\[(\d+)\]_", r"[\1]", line)
        parts = CODE_SPAN.split(line)
        parts[::2] = [re.sub(r"([*|]|(?<=\w)_(?!\w))", r"\\\1", part) for part in parts[::2]]
        lines[place] = re.sub(r"^(\s*)\.\. (\[\d+\]) ", r"\1*  \2 ", "".join(parts))


def as_called(app, what, name, obj, options, signature, returned):
    """Show the arguments of a class whose `__new__` only checks keywords as those of its `__init__`."""
    if what == "class" and signature and signature.startswith("(*arguments"):
        signature = stringify_signature(inspect.signature(obj), show_annotation=False)
    return signature, returned


def check_images(app, doctree) -> None:
    """Warn, and so end the build, where an image has no text for those who do not see it."""
    for image in doctree.findall(nodes.image):
        if not image.get("alt", "").strip():
            logger.warning("an image has no alternative text: %s", image.get("uri"), location=image)


def colour_images(app, error) -> None:
    """Let the figures of the tutorials follow the reader's light or dark page, as the stored ones do."""
    for path in (Path(app.outdir) / "_images").glob("*.svg"):
        drawing = path.read_text(encoding="utf-8")
        if "prefers-color-scheme" not in drawing:
            path.write_text(following_the_reader(drawing), encoding="utf-8")


def write_explorer(app, error) -> None:
    """Write the explorer of a model of the patients of the first page, which explorer.md shows."""
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    X = X.rename(
        columns={"bmi": "body mass index", "bp": "blood pressure", "s1": "cholesterol", "s2": "LDL", "s3": "HDL"}
    )
    X = X.rename(columns={"s4": "cholesterol / HDL", "s5": "log triglycerides", "s6": "glucose"})
    y = y.rename("progression")
    test = range(342, 442)
    model = KANRegressor().fit(X[:342], y[:342])
    write_static(Session(model, X, y, held_out=test), Path(app.outdir) / "explorer-live.html")


def setup(app) -> None:
    """Register the hooks: copied pages, links to files of the repository, docstrings, images, the live explorer."""
    app.connect("build-finished", write_explorer)
    app.connect("build-finished", colour_images)
    app.connect("doctree-read", check_images)
    app.connect("source-read", read_source)
    app.connect("autodoc-process-signature", as_called)
    app.connect("autodoc-process-docstring", as_text, priority=400)  # before napoleon reads the sections
