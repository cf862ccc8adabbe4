"""Draws the picture of README.md, the functions of a KAN that was fitted to a table: python tools/readme_picture.py"""

from pathlib import Path

from sklearn.datasets import load_diabetes

from edgewise import KANRegressor
from edgewise.plot import edge_curves, save

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

if __name__ == "__main__":
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    model = KANRegressor().fit(X.rename(columns=LABELS), y.rename("progression"))
    save(edge_curves(model, X.rename(columns=LABELS), max_inputs=6), PICTURE, theme="auto")
