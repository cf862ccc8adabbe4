"""MODEL: a file or a folder; what a model knows about itself."""

import pytest

from edgewise.cli.shared.model import model_path, open_model
from edgewise.errors import FileError


@pytest.mark.slow
def test_file_and_folder(models):
    inside = models / "numbers" / "model.safetensors"
    assert model_path(str(models / "numbers")) == inside
    assert model_path(str(inside)) == inside
    with pytest.raises(FileError, match="expected a file, got a folder"):
        open_model(str(models))


def test_names_target_labels(models):
    numbers, kinds = open_model(str(models / "numbers")), open_model(str(models / "kinds"))
    assert (numbers.names, numbers.target, numbers.labels) == (("a", "b", "colour is red"), "y", ())
    assert (kinds.names, kinds.target) == (("a", "b"), "kind")
    assert kinds.labels == ("high", "low", "middle", "odd")
    assert kinds.fit_facts["rows"] == {"table": 61, "training": 49, "test": 12}
