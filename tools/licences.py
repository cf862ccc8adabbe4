"""Write docs/licences.md: every package that an installation of Edgewise brings, with its licence.

python tools/licences.py           # from the packages of this environment
python tools/licences.py --check   # only say whether the page is complete
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from textwrap import fill

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "licences.md"
EXTRAS = ("", "sklearn", "plot", "tables", "symbolic", "onnx", "cli", "explore", "dask")
LONGEST = 120  # characters of a licence; some packages put its whole text where the name belongs
HEAD = """# Licences of what Edgewise needs

Edgewise is under the MIT licence. An installation brings the packages below, with what they need themselves. Of
other authors only the page of `edgewise explore` holds code: parts of d3 (ISC, M. Bostock) and KaTeX (MIT, Khan Academy
and others), whose licences stand at its beginning. Versions and hashes of an environment are in the file that
`make sbom` writes. The list is made by `tools/licences.py`; tests, experiments and benchmarks use further packages,
which are not installed with Edgewise.

"""


def licence(name: str) -> str:
    """The licence of an installed package, by the fields of its metadata in the order of their reliability."""
    metadata = distribution(name).metadata
    classifiers = [c.rpartition("::")[2].strip() for c in metadata.get_all("Classifier", []) if "License ::" in c]
    named = [c for c in classifiers if c != "OSI Approved"]
    stated = metadata.get("License-Expression") or "; ".join(named) or metadata.get("License") or "not stated"
    return " ".join(stated.split())[:LONGEST]


def required(names: list[str]) -> set[str]:
    """The installed packages that some requirements bring."""
    found, waiting = set[str](), [Requirement(name) for name in names]
    while waiting:
        one = waiting.pop()
        name = re.sub(r"[-_.]+", "-", one.name).lower()
        if name in found or name == "edgewise":
            continue
        try:
            needs = distribution(name).requires or []
        except PackageNotFoundError:  # not for this system
            continue
        found.add(name)
        extras = ("", *one.extras)
        for text in needs:
            need = Requirement(text)
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(need)
    return found


def page() -> str:
    """The page for the packages of this environment."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    by = {extra: project["optional-dependencies"].get(extra, project["dependencies"]) for extra in EXTRAS}
    brought: dict[str, list[str]] = {}
    for extra, names in by.items():
        for name in required(names):
            brought.setdefault(name, []).append(f"`edgewise[{extra}]`" if extra else "always")
    groups: dict[str, list[str]] = {}
    for name, ways in sorted(brought.items()):
        shown = "always" if "always" in ways else ", ".join(ways)
        groups.setdefault(shown, []).append(f"**{name}** {licence(name)}")
    lines = [f"- {way}: {', '.join(packages)}" for way, packages in sorted(groups.items())]
    wrapped = (
        fill(line, 120, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False) for line in lines
    )
    return HEAD + "\n".join(wrapped) + "\n"


def direct() -> set[str]:
    """The packages that pyproject.toml names for users."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    texts = [
        *project["dependencies"],
        *(text for extra in EXTRAS[1:] for text in project["optional-dependencies"][extra]),
    ]
    return {re.sub(r"[-_.]+", "-", Requirement(text).name).lower() for text in texts} - {"edgewise"}


def listed() -> dict[str, str]:
    """The packages of the page with their licences."""
    packages = " ".join(PAGE.read_text(encoding="utf-8").partition("\n- ")[2].split())
    return dict(re.findall(r"\*\*([\w-]+)\*\* (.+?)(?:,(?= \*\*)| - |$)", packages))


def main() -> int:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description="Write docs/licences.md from the packages of this environment.")
    parser.add_argument("--check", action="store_true", help="only say whether the page is complete")
    if not parser.parse_args().check:
        PAGE.write_text(page(), encoding="utf-8")
    known = listed()
    missing = sorted(direct() - set(known))
    unknown = sorted(name for name, stated in known.items() if stated == "not stated")
    print(f"{len(known)} packages; missing: {missing or 'none'}; without a licence: {unknown or 'none'}")
    return bool(missing or unknown)


if __name__ == "__main__":
    sys.exit(main())
