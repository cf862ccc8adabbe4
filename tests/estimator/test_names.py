"""A misspelt name, or one of another kind of estimator, is answered with the one that was meant."""

import numpy as np
import pytest

import edgewise
from edgewise import KANClassifier, KANRegressor
from edgewise.estimator import KANSurvival


def test_misspelt_names_are_answered_with_the_known_ones():
    with pytest.raises(AttributeError, match=r"no attribute 'KANRegresor'; did you mean 'KANRegressor'\?"):
        edgewise.KANRegresor  # noqa: B018
    with pytest.raises(AttributeError, match=r"did you mean 'feature_importances_'\?"):
        KANRegressor().feature_importance_  # noqa: B018
    with pytest.raises(AttributeError, match=r"did you mean 'predict_survival_function'\?"):
        KANSurvival().predict_survival_functions  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'zebra'$"):
        edgewise.zebra  # noqa: B018


@pytest.mark.parametrize("kind", [KANRegressor, KANClassifier, KANSurvival])
def test_the_docstring_describes_each_parameter_once(kind):
    described = [line.partition(" : ")[0].strip() for line in kind.__doc__.splitlines() if " : " in line]
    assert all(described.count(name) == 1 for name in kind().get_params())
    assert "of all>" not in kind.__doc__


def test_a_classifier_says_what_to_use_instead_of_methods_of_numbers():
    model = KANClassifier()
    with pytest.raises(AttributeError, match="KANClassifier has no predict_interval: predict_proba says"):
        model.predict_interval(np.zeros((1, 1)))
    assert not hasattr(model, "equations_")
