#!/usr/bin/env bash
# Checks that a wheel, an editable install, an install from a clone without write access, and one without a compiler
# each work.
#
# Run by continuous integration after `make install`. Each kind gets a fresh environment; the dependencies are those of the
# checkout's .venv, lent by a .pth file once Edgewise is in, so nothing but the build backend is downloaded.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
python=$root/.venv/bin/python
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

say() { printf 'install check: %s\n' "$*"; }
fail() { printf 'install check failed: %s\n' "$*" >&2; exit 1; }

[ -x "$python" ] || fail "there is no .venv in the checkout: run 'make install' first"
version=$("$python" -c 'import tomllib, sys; print(tomllib.load(open(sys.argv[1], "rb"))["project"]["version"])' \
  "$root/pyproject.toml")
dependencies=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

# A fresh environment without pip; the checkout's pip installs into it.
fresh() { "$python" -m venv --without-pip "$work/$1"; }
pip_into() { local name=$1; shift; "$python" -m pip --quiet --python "$work/$name/bin/python" "$@"; }
lend_dependencies() {
  local own
  own=$("$work/$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  echo "$dependencies" > "$own/zz_lent.pth"
}

# check NAME FOLDER KERNEL: Edgewise imports from FOLDER, is whole and typed, computes by KERNEL ("compiled", or
# "reference" after one warning), and its command runs.
check() {
  (cd "$work" && "$work/$1/bin/python" -W error - "$2" "$version" "$3" <<'PY'
import sys
import warnings
from importlib import metadata, resources
from pathlib import Path

import torch

folder, version, kernel = sys.argv[1:]
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import edgewise
    from edgewise.ops.kernels import cpu
messages = [str(warning.message) for warning in caught]
if kernel == "compiled":
    assert cpu.variants() and not messages, f"the compiled kernel is not there: {messages}"
else:
    assert not cpu.variants() and len(messages) == 1 and messages[0].startswith("The CPU kernel"), messages
home = Path(edgewise.__file__).resolve()
assert home.is_relative_to(Path(folder).resolve()), f"edgewise comes from {home}, expected it below {folder}"
assert edgewise.__version__ == metadata.version("edgewise") == version, "versions differ"
package = resources.files("edgewise")
for name in ("py.typed", "datasets/data/knots_sample.csv.gz", "datasets/data/PROVENANCE.md"):
    assert package.joinpath(name).is_file(), f"{name} is missing from the package"
assert edgewise.KAN([2, 3, 1])(torch.zeros(4, 2)).shape == (4, 1)
PY
  ) || fail "$1"
  local printed
  printed=$(cd "$work" && "$work/$1/bin/edgewise" --version) || fail "$1: the command 'edgewise --version' does not run"
  case $printed in *"$version"*) ;; *) fail "$1: 'edgewise --version' must print $version, it prints $printed" ;; esac
}

# A copy of the checkout as git sees it: tracked and new files, none of the ignored ones.
copy() {
  mkdir "$work/$1"
  (cd "$root" && git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
    [ ! -e "$file" ] || printf '%s\0' "$file"
  done | tar --null --files-from=- --create --file=-) | tar --extract --file=- --directory="$work/$1"
}
listing() { (cd "$1" && find . -printf '%p %M\n' | sort && find . -type f -print0 | sort -z | xargs -0 sha256sum); }

say "a wheel"
copy source
# The editable install below comes from the same sources, so it finds the compiled objects in this build folder.
"$python" -m pip wheel --quiet --no-deps -C build-dir="$work/objects" --wheel-dir "$work/dist" "$work/source"
"$python" - "$work/dist" <<'PY' || fail "wheel"
import sys
import zipfile
from pathlib import Path

[wheel] = Path(sys.argv[1]).glob("*.whl")
names = zipfile.ZipFile(wheel).namelist()
stray = [name for name in names if not name.startswith("edgewise")]
assert not stray, f"the wheel must hold the package only, it also has {stray}"
assert not [name for name in names if "csrc" in name], "C++ sources are in the wheel"
assert any(name.endswith("licenses/LICENSE") for name in names), "the licence is missing from the wheel"
PY
fresh wheel
pip_into wheel install --no-deps "$work"/dist/*.whl
lend_dependencies wheel
check wheel "$work/wheel" compiled

say "an editable install"
fresh editable
pip_into editable install --no-deps -C build-dir="$work/objects" --editable "$work/source"
lend_dependencies editable
check editable "$work/source/src" compiled
echo "// changed" >> "$work/source/src/edgewise/csrc/problem.h"
check editable "$work/source/src" reference  # a library older than its sources is not used

say "an install from a clone without write access"
copy clone
chmod -R a-w "$work/clone"
# The superuser may write whatever the modes say, unless that capability is dropped.
as_reader=()
if [ "$(id -u)" = 0 ] && command -v setpriv > /dev/null; then
  as_reader=(setpriv --bounding-set=-dac_override,-dac_read_search,-fowner --)
  "${as_reader[@]}" true 2> /dev/null || as_reader=()
fi
if "${as_reader[@]}" touch "$work/clone/probe" 2> /dev/null; then
  rm -f "$work/clone/probe"
  say "this user may write everywhere; that nothing is written is checked all the same"
fi
before=$(listing "$work/clone")
fresh reader
"${as_reader[@]}" "$python" -m pip --quiet --python "$work/reader/bin/python" install --no-deps "$work/clone"
lend_dependencies reader
check reader "$work/reader" compiled
[ "$before" = "$(listing "$work/clone")" ] || fail "the install changed the clone"

say "an install without a compiler"
fresh plain
CXX=$work/no-compiler pip_into plain install --no-deps "$work/clone"
lend_dependencies plain
check plain "$work/plain" reference

say "all four work"
