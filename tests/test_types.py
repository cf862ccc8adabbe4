"""Types as a user meets them: a program passes `mypy --strict`, and every mistake in another one is reported."""

from pathlib import Path

import pytest

mypy = pytest.importorskip("mypy.api")
TYPED = Path(__file__).parent / "typed"


@pytest.mark.slow
def test_a_program_with_types_passes_and_mistakes_are_reported():
    settings = [
        "--strict",
        "--config-file=",
        "--ignore-missing-imports",
        f"--cache-dir={TYPED.parents[1] / '.mypy_cache' / 'typed'}",
        "--follow-imports=silent",
    ]
    files = [TYPED / "example.py", TYPED / "mistakes.py"]
    report, errors, _ = mypy.run([*settings, *map(str, files)])
    lines = [line for line in report.splitlines() if ": error: " in line]
    assert not errors and not [line for line in lines if "mistakes.py" not in line], report
    found = {int(line.split(":")[1]) for line in lines}
    text = files[1].read_text().splitlines()
    assert found == {number for number, line in enumerate(text, start=1) if line.endswith("# mistake")}, report
