"""Networks as Python source that needs only NumPy."""

import os
from collections.abc import Sequence

import numpy as np

from edgewise.checks import typed
from edgewise.export.steps import (
    Dense,
    Formulas,
    Products,
    Splines,
    Step,
    Units,
    check_units,
    functions_of,
    labels_of,
    steps_of,
)
from edgewise.files.whole import write_bytes
from edgewise.formulas.expression import Number
from edgewise.formulas.printing import as_python
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN

_BASIS = '''

def basis(x, knots, degree):
    """B-splines at x (rows, inputs), those that can differ from zero: the first one's number, and their values.

    De Boor's recursion; beyond the outermost grid points they go on as straight lines.
    """
    grid = knots.shape[1] - 2 * degree - 1
    column = np.arange(x.shape[1])
    inside = np.clip(x, knots[:, degree], knots[:, degree + grid])
    start = (inside[..., None] >= knots[:, degree + 1 : degree + grid]).sum(-1)
    values, slopes = [inside * 0 + 1], [inside * 0]
    for level in range(1, degree + 1):
        left = [knots[column, start + degree - level + 1 + r] for r in range(level)]
        right = [knots[column, start + degree + 1 + r] for r in range(level)]
        share = [v / (b - a) for v, a, b in zip(values, left, right)]
        if level == degree:
            rise = [level * s for s in share]
            slopes = [-rise[0], *(a - b for a, b in zip(rise, rise[1:])), rise[-1]]
        up = [s * (inside - a) for s, a in zip(share, left)]
        down = [s * (b - inside) for s, b in zip(share, right)]
        values = [down[0], *(a + b for a, b in zip(up, down[1:])), up[-1]]
    return start, np.stack([v + (x - inside) * s for v, s in zip(values, slopes)], -1)


def splines(x, knots, coef, degree):
    """y_o = sum of the splines of all inputs i, with coefficients coef[i, :, o]."""
    start, values = basis(x, knots, degree)
    rows = coef[np.arange(x.shape[1])[:, None], start[..., None] + np.arange(degree + 1)]
    return np.einsum("big,bigo->bo", values, rows)
'''
_ACTIVATIONS = {
    "silu": '\n\ndef silu(x):\n    with np.errstate(over="ignore"):\n        return x / (1 + np.exp(-x))\n',
    "relu": "\n\ndef relu(x):\n    return np.maximum(x, 0)\n",
    "gelu": "\n\ndef gelu(x):\n    return 0.5 * x * (1 + np.vectorize(math.erf, otypes=[float])(x / 2**0.5))\n",
    "softplus": "\n\ndef softplus(x):\n    return np.logaddexp(0, x)\n",
    "tanh": "",
    "sin": "",
    "identity": "",
}


@typed
def to_python(
    model: KAN | MLP,
    path: str | os.PathLike[str],
    *,
    units: Units | None = None,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> None:
    """Write a network as a Python file with a function `predict(x)`, (rows, in) -> (rows, out), in float64.

    The function is equal to the model up to rounding, inside its domains, on their ends and beyond. The file needs
    only NumPy, and scipy where the network has the Bessel function J0.

    Parameters
    ----------
    model : KAN or MLP
        The network.
    path : path-like
        Name of the file. An existing file is replaced, and stays intact if writing fails.
    units : Units, optional
        Scaling of a table; with it the function takes and returns the user's units.
    names, outputs : sequence of str, optional
        Names of the columns of x and of the result, stored as `COLUMNS` and `OUTPUTS`.

    Raises
    ------
    InputError
        An argument is of another kind.
    FileError
        The file cannot be written.

    Examples
    --------
    >>> import os, runpy, tempfile
    >>> import edgewise
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "network.py")
    ...     to_python(edgewise.KAN([2, 1]), path)
    ...     predict = runpy.run_path(path)["predict"]
    >>> predict([[0.1, 0.2], [0.3, 0.4]]).shape
    (2, 1)
    """
    write_bytes(path, python_source(model, units=units, names=names, outputs=outputs).encode())


def python_source(
    model: KAN | MLP,
    *,
    units: Units | None = None,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> str:
    """Return the source that `to_python` writes."""
    # Names and units, which become part of the code.
    layers = steps_of(model)
    width = model.config.width
    check_units(units, width[0], width[-1])
    has_exposure = units is not None and units.exposure
    names = labels_of(names, width[0] + has_exposure, "x", "names")
    outputs = labels_of(outputs, width[-1], "y", "outputs")
    # Functions that the layers call.
    flat = [step for steps in layers for step in steps]
    functions: list[str] = []
    numbers: list[str] = []
    if any(isinstance(step, Splines) for step in flat):
        functions.append(_BASIS)
    functions += [_ACTIVATIONS[name] for name in functions_of(layers, _ACTIVATIONS)]
    # The inputs, scaled and clipped to the range of the training data.
    body = ["x = np.asarray(x, dtype=np.float64)"]
    if has_exposure:
        body += ["exposure = x[:, -1:]", "x = x[:, :-1]"]
    if units is not None:
        numbers += [_array("SHIFT", units.shift), _array("SCALE", units.scale)]
        limits = units.limits
        if limits is None:
            body.append("x = (x - SHIFT) / SCALE")
        else:
            numbers += [_array("LOW", limits[:, 0]), _array("HIGH", limits[:, 1])]
            body.append("x = np.clip((x - SHIFT) / SCALE, LOW, HIGH)")
    # The layers, one after another.
    for number, steps in enumerate(layers):
        parts = [_term(step, number, functions, numbers) for step in steps]
        body.append("x = " + " + ".join(parts))
    # The outputs: clipped, in the units of the target, through the link.
    if units is not None and units.out_limits is not None:
        numbers += [_array("OUT_LOW", units.out_limits[:, 0]), _array("OUT_HIGH", units.out_limits[:, 1])]
        body.append("x = np.clip(x, OUT_LOW, OUT_HIGH)")
    if units is not None and units.out_shift is not None and units.out_scale is not None:
        numbers += [_array("OUT_SHIFT", units.out_shift), _array("OUT_SCALE", units.out_scale)]
        body.append("x = OUT_SHIFT + OUT_SCALE * x")
    if units is not None and units.exponent is not None:
        low, high = units.exponent
        body.append(f"x = np.exp(np.clip(x, {float(low)!r}, {float(high)!r}))")
    if has_exposure:
        body.append("x = exposure * x")
    if units is not None and units.probabilities:
        body += ["x = np.exp(x - x.max(1, keepdims=True))", "x = x / x.sum(1, keepdims=True)"]
    # The file.
    source = "".join(functions)
    imports = "import numpy as np\n"
    if "math.erf" in source:
        imports = f"import math\n\n{imports}"
    if "j0(" in source:
        imports += "from scipy.special import j0\n"
    about = f'"""A network of shape {list(width)}, as written by Edgewise: predict(x) gives its outputs for rows x."""'
    columns = f"COLUMNS = {_listed(names)}\nOUTPUTS = {_listed(outputs)}\n"
    predict = '\n\ndef predict(x):\n    """x (rows, columns as in COLUMNS) -> (rows, outputs as in OUTPUTS)."""\n    '
    lines = "\n    ".join([*body, "return x"])
    return f"{about}\n\n{imports}\n{columns}{''.join(numbers)}{source}{predict}{lines}\n"


def _term(step: Step, number: int, functions: list[str], numbers: list[str]) -> str:
    """Return the expression of one step; functions and arrays that it uses go to `functions` and `numbers`."""
    match step:
        # Splines, with the base function beside them.
        case Splines(knots, coef, degree, base, function):
            numbers += [_array(f"KNOTS_{number}", knots), _array(f"COEF_{number}", coef)]
            text = f"splines(x, KNOTS_{number}, COEF_{number}, {degree})"
            if base is None:
                return text
            numbers.append(_array(f"BASE_{number}", base))
            return f"{text} + {_called(str(function))} @ BASE_{number}"
        # A dense layer.
        case Dense(weight, bias, activation):
            numbers += [_array(f"WEIGHT_{number}", weight), _array(f"BIAS_{number}", bias)]
            return f"{_called(activation)} @ WEIGHT_{number} + BIAS_{number}"
        # Products of sums.
        case Products(groups):
            columns = ", ".join(" * ".join(f"x[:, {i}]" for i in group) for group in groups)
            return f"np.stack([{columns}], 1)"
        # A formula for each node, as a function of its own.
        case Formulas(nodes, inputs):
            calls = []
            for o, node in enumerate(nodes):
                match node:
                    case Number(value):
                        calls.append(f"np.full(len(x), {value!r})")
                    case _:
                        name = f"node_{number}_{o}"
                        source = as_python(node, [f"x[:, {i}]" for i in range(inputs)], name)
                        lines = source[source.index("def ") :].splitlines()
                        text = "\n".join(line for line in lines if not line.strip().startswith("#"))
                        functions.append(f"\n\n{text}\n")
                        calls.append(f"{name}(x)")
            return f"np.stack([{', '.join(calls)}], 1)"


def _called(function: str) -> str:
    """Return the call of an activation or base function on x."""
    return {"identity": "x", "tanh": "np.tanh(x)", "sin": "np.sin(x)"}.get(function, f"{function}(x)")


def _array(name: str, values: np.ndarray) -> str:
    """Return the definition of an array."""
    return f"{name} = np.array({np.asarray(values, dtype=np.float64).tolist()!r})\n"


def _listed(names: Sequence[str]) -> str:
    """Return a list of names as source in ASCII."""
    return "[" + ", ".join(ascii(name) for name in names) + "]"
