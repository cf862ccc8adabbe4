"""MODEL: a file or a folder; what a model knows about itself."""

import pytest

from edgewise.cli.shared.model import open_model
from edgewise.cli.shared.opening import Kind, find_written


@pytest.mark.slow
def test_file_and_folder(models):
    inside = models / "numbers" / "model.safetensors"
    for text in (models / "numbers", inside):
        written = find_written(str(text))
        assert (written.kind, written.file) == (Kind.model, inside)


@pytest.mark.slow
def test_names_target_labels(models):
    numbers, kinds = (open_model(models / name / "model.safetensors") for name in ("numbers", "kinds"))
    assert (numbers.names, numbers.target, numbers.labels) == (("a", "b", "[colour is red]"), "y", ())
    assert (kinds.names, kinds.target) == (("a", "b"), "kind")
    assert kinds.labels == ("high", "low", "middle", "odd")
    assert kinds.fit_facts["rows"] == {"table": 61, "training": 49, "test": 12}
