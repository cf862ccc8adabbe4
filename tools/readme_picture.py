"""Draws the picture of README.md, the functions of a KAN that was fitted to a table: python tools/readme_picture.py"""

from pathlib import Path

from sklearn.datasets import load_diabetes

from edgewise import KANRegressor
from edgewise.plot import effect_curves, save

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
    X = X.rename(columns=LABELS)
    model = KANRegressor().fit(X, y.rename("progression"))
    print(model.search_.sentences[-1])
    save(effect_curves(model, X, max_inputs=6), PICTURE, theme="auto")
