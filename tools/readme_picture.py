"""Draws the picture of README.md, the functions of a KAN that was fitted to a table: python tools/readme_picture.py"""

from pathlib import Path

from sklearn.datasets import load_diabetes

from edgewise import KANRegressor
from edgewise.plot import edge_curves, save
from edgewise.plot.network.views import NetworkView

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "diabetes.svg"
LABELS = {
    "bmi": "body mass index",
    "bp": "blood pressure",
    "s1": "cholesterol",
    "s2": "LDL",
    "s3": "HDL",
    "s5": "log triglycerides",
    "s6": "glucose",
}


class Fitted:
    """A fitted estimator with the names and units of its network."""

    def __init__(self, model: KANRegressor, X, target: str):
        self.model, self.X, self.target = model, X, target

    def network_view(self, X=None) -> NetworkView:
        """Return the network with its units."""
        model = self.model
        return NetworkView(
            model.model_,
            model.trace(self.X),
            names=[LABELS.get(name, name) for name in self.X.columns],
            outputs=[self.target],
            scaling=(model.input_scaling_.shift, model.input_scaling_.scale),
            output_scale=model.target_scaling_.scale,
            std=model.edge_std(self.X),
        )

    def prediction_view(self, X=None):
        """Never asked for here."""
        raise NotImplementedError


if __name__ == "__main__":
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    figure = edge_curves(Fitted(KANRegressor().fit(X, y), X, "progression"), max_inputs=6)
    save(figure, PICTURE, theme="auto")
