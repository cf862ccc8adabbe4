"""The settings of the library's tests hold here too."""

import tests.conftest  # noqa: F401
