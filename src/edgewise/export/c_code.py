"""Networks as C99 source that needs only the mathematical library."""

import os
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from edgewise.checks import typed
from edgewise.escaping import c_comment
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
from edgewise.formulas.printing import as_c, check_identifier
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN

_SPLINES = """
/* y[o] += sum of the splines of all inputs. De Boor's recursion; straight lines beyond the outermost grid points.
   knots: in rows of grid + 2 degree + 1; coef: in blocks of grid + degree rows of out. */
static void splines(int in, int out, int grid, int degree, const double *knots, const double *coef, const double *x,
                    double *y)
{
    for (int i = 0; i < in; i++) {
        const double *t = knots + i * (grid + 2 * degree + 1);
        const double low = t[degree], high = t[degree + grid];
        const double inside = x[i] < low ? low : x[i] > high ? high : x[i];
        double value[11] = {1.0 + 0.0 * inside}, slope[11] = {0.0}, share[11]; /* degree 10 at most */
        int start = 0;
        while (start < grid - 1 && inside >= t[degree + 1 + start])
            start++;
        const double *c = coef + ((long)i * (grid + degree) + start) * out;
        for (int level = 1; level <= degree; level++) {
            const double *left = t + start + degree - level + 1, *right = t + start + degree + 1;
            for (int r = 0; r < level; r++)
                share[r] = value[r] / (right[r] - left[r]);
            for (int r = level; r >= 0; r--) {
                const double up = r > 0 ? share[r - 1] : 0.0, down = r < level ? share[r] : 0.0;
                if (level == degree)
                    slope[r] = level * (up - down);
                value[r] = (r > 0 ? up * (inside - left[r - 1]) : 0.0) + (r < level ? down * (right[r] - inside) : 0.0);
            }
        }
        for (int r = 0; r <= degree; r++) {
            const double b = value[r] + (x[i] - inside) * slope[r];
            for (int o = 0; o < out; o++)
                y[o] += b * c[r * out + o];
        }
    }
}
"""
_DENSE = """
/* y[o] += sum of f(x[i]) * weight[i][o]. */
static void dense(int in, int out, double (*f)(double), const double *weight, const double *x, double *y)
{
    for (int i = 0; i < in; i++)
        for (int o = 0; o < out; o++)
            y[o] += f(x[i]) * weight[i * out + o];
}
"""
_ACTIVATIONS = {
    "silu": "x / (1.0 + exp(-x))",
    "relu": "x < 0.0 ? 0.0 : x",
    "tanh": "tanh(x)",
    "gelu": "0.5 * x * (1.0 + erf(x / sqrt(2.0)))",
    "softplus": "x > 0.0 ? x + log1p(exp(-x)) : log1p(exp(x))",
    "sin": "sin(x)",
    "identity": "x",
}
_SOFTMAX = """    double top = y[0], total = 0.0;
    for (int o = 1; o < OUT; o++)
        top = y[o] > top ? y[o] : top;
    for (int o = 0; o < OUT; o++)
        total += y[o] = exp(y[o] - top);
    for (int o = 0; o < OUT; o++)
        y[o] /= total;
"""


@typed
def to_c(
    model: KAN | MLP,
    path: str | os.PathLike[str],
    *,
    function: str = "predict",
    units: Units | None = None,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> None:
    """Write a network as a C99 file with a function `void predict(const double *x, double *y)` of one sample.

    The function is equal to the model up to rounding, inside its domains, on their ends and beyond. It allocates no
    memory and keeps no state. Link it with -lm.

    Parameters
    ----------
    model : KAN or MLP
        The network.
    path : path-like
        Name of the file. An existing file is replaced, and stays intact if writing fails.
    function : str
        Name of the function in C.
    units : Units, optional
        Scaling of a table; with it the function takes and returns the user's units.
    names, outputs : sequence of str, optional
        Names of the numbers in x and y, for a comment.

    Raises
    ------
    InputError
        An argument is of another kind.
    FileError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import edgewise
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "network.c")
    ...     to_c(edgewise.KAN([2, 1]), path, names=["length", "width"])
    ...     print(path.read_text().splitlines()[1])
       x: length, width
    """
    write_bytes(path, c_source(model, function=function, units=units, names=names, outputs=outputs).encode())


def c_source(
    model: KAN | MLP,
    *,
    function: str = "predict",
    units: Units | None = None,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> str:
    """Return the source that `to_c` writes."""
    # Names and units, which become part of the code.
    check_identifier(function)
    layers = steps_of(model)
    width = [model.layers[0].in_features, *(layer.out_features for layer in model.layers)]
    check_units(units, width[0], width[-1])
    has_exposure = units is not None and units.exposure
    names = labels_of(names, width[0] + has_exposure, "x", "names")
    outputs = labels_of(outputs, width[-1], "y", "outputs")
    # Functions that the layers call.
    flat = [step for steps in layers for step in steps]
    parts = []
    if any(isinstance(step, Splines) for step in flat):
        parts.append(_SPLINES)
    used = functions_of(layers, _ACTIVATIONS)
    if used:
        parts.append(_DENSE)
    parts += [f"\nstatic double f_{one}(double x)\n{{\n    return {_ACTIVATIONS[one]};\n}}\n" for one in used]
    # The inputs, scaled and clipped to the range of the training data.
    body = [f"    double layer_0[{width[0]}];\n"]
    if units is None:
        body.append(f"    for (int i = 0; i < {width[0]}; i++)\n        layer_0[i] = x[i];\n")
    else:
        parts += [_array("shift", units.shift), _array("scale", units.scale)]
        limits = units.limits
        lines = f"    for (int i = 0; i < {width[0]}; i++) {{\n        layer_0[i] = (x[i] - shift[i]) / scale[i];\n"
        if limits is not None:
            parts += [_array("low", limits[:, 0]), _array("high", limits[:, 1])]
            lines += "        layer_0[i] = layer_0[i] < low[i] ? low[i] : layer_0[i];\n"
            lines += "        layer_0[i] = layer_0[i] > high[i] ? high[i] : layer_0[i];\n"
        body.append(lines + "    }\n")
    # The layers, one after another.
    for number, (steps, (_, count)) in enumerate(zip(layers, pairwise(width), strict=True)):
        body.append(f"    double layer_{number + 1}[{count}] = {{0.0}};\n")
        body += [_statements(step, number, parts) for step in steps]
    # The outputs: clipped, in the units of the target, through the link.
    last = f"layer_{len(layers)}[o]"
    if units is not None and units.out_limits is not None:
        parts += [_array("out_low", units.out_limits[:, 0]), _array("out_high", units.out_limits[:, 1])]
        body.append(
            f"    for (int o = 0; o < {width[-1]}; o++) {{\n"
            f"        {last} = {last} < out_low[o] ? out_low[o] : {last};\n"
            f"        {last} = {last} > out_high[o] ? out_high[o] : {last};\n    }}\n"
        )
    if units is not None and units.out_shift is not None and units.out_scale is not None:
        parts += [_array("out_shift", units.out_shift), _array("out_scale", units.out_scale)]
        last = f"out_shift[o] + out_scale[o] * {last}"
    body.append(f"    for (int o = 0; o < {width[-1]}; o++)\n        y[o] = {last};\n")
    if units is not None and units.exponent is not None:
        low, high = (repr(float(end)) for end in units.exponent)
        body.append(
            f"    for (int o = 0; o < {width[-1]}; o++) {{\n        y[o] = y[o] < {low} ? {low} : y[o];\n"
            f"        y[o] = exp(y[o] > {high} ? {high} : y[o]);\n    }}\n"
        )
    if has_exposure:
        body.append(f"    for (int o = 0; o < {width[-1]}; o++)\n        y[o] *= x[{width[0]}];\n")
    if units is not None and units.probabilities:
        body.append(_SOFTMAX.replace("OUT", str(width[-1])))
    # The file: j0 is POSIX and not C99.
    text = "".join(parts)
    head = ""
    if "j0(" in text:
        head = "#define _XOPEN_SOURCE 700\n"
    about = (
        f"/* A network of shape {list(model.config.width)}, as written by Edgewise. C99; link with -lm.\n"
        f"   x: {_listed(names)}\n   y: {_listed(outputs)} */\n"
    )
    return (
        f"{about}{head}#include <math.h>\n{text}\nvoid {function}(const double *x, double *y)\n{{\n{''.join(body)}}}\n"
    )


def _statements(step: Step, number: int, parts: list[str]) -> str:
    """Return the statements that add one step to the next layer; arrays and functions that they use go to `parts`."""
    here = f"layer_{number}"
    there = f"layer_{number + 1}"
    match step:
        # Products of sums.
        case Products(groups):
            products = (" * ".join(f"{here}[{i}]" for i in group) for group in groups)
            return "".join(f"    {there}[{o}] = {product};\n" for o, product in enumerate(products))
        # A formula for each node, as a function of its own.
        case Formulas(nodes, inputs):
            lines = ""
            for o, node in enumerate(nodes):
                match node:
                    case Number(value):
                        if value:
                            lines += f"    {there}[{o}] += {value!r};\n"
                    case _:
                        name = f"node_{number}_{o}"
                        source = as_c(node, [f"x{i}" for i in range(inputs)], name)
                        parts.append("\nstatic " + source[source.index("double ") :])
                        lines += f"    {there}[{o}] += {name}({here});\n"
            return lines
        # A dense layer.
        case Dense(weight, bias, function):
            parts += [_array(f"weight_{number}", weight), _array(f"bias_{number}", bias)]
            inputs, outputs = weight.shape
            text = f"    for (int o = 0; o < {outputs}; o++)\n        {there}[o] = bias_{number}[o];\n"
            return f"{text}    dense({inputs}, {outputs}, f_{function}, weight_{number}, {here}, {there});\n"
        # Splines, with the base function beside them.
        case Splines(knots, coef, degree, base, function):
            inputs, rows, outputs = coef.shape
            parts += [_array(f"knots_{number}", knots), _array(f"coef_{number}", coef)]
            call = f"{inputs}, {outputs}, {rows - degree}, {degree}, knots_{number}, coef_{number}, {here}, {there}"
            text = f"    splines({call});\n"
            if base is not None:
                parts.append(_array(f"base_{number}", base))
                text += f"    dense({inputs}, {outputs}, f_{function}, base_{number}, {here}, {there});\n"
            return text


def _array(name: str, values: np.ndarray) -> str:
    """Return the definition of an array of doubles, wrapped into lines."""
    numbers = [repr(float(value)) for value in np.asarray(values, dtype=np.float64).ravel()]
    lines = []
    line = "   "
    for number in numbers:
        if len(line) + len(number) > 110:
            lines.append(line)
            line = "   "
        line += f" {number},"
    return f"\nstatic const double {name}[{len(numbers)}] = {{\n" + "\n".join([*lines, line]) + "\n};\n"


def _listed(names: Sequence[str]) -> str:
    """Return names for a comment; characters that could end it, or a trigraph, become underscores."""
    return ", ".join(map(c_comment, names))
