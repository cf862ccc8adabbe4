"""Write the small pykan checkpoints of tests/pykan/checkpoints: run in an environment with pykan 0.2.8.

    python tools/pykan/make_checkpoints.py

Each checkpoint is two files, NAME_config.yml and NAME_state. Beside them NAME.json holds points and the outputs that
pykan computes there, inside the grid and beyond it. A test loads the checkpoint without pykan and compares.
"""

import json
import pathlib
import shutil
import tempfile

import torch
from kan import KAN
from kan.MultKAN import MultKAN

TARGET = pathlib.Path(__file__).parents[2] / "tests" / "pykan" / "checkpoints"
POINTS = 40


def shuffled(model: KAN, seed: int) -> KAN:
    """Give every number of the model a random value, so that no part of the file can be ignored unnoticed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "grid" in name or "mask" in name:
                continue
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype) * 0.5 + 0.3)
    return model


def trained(width, *, steps=3, **options) -> tuple[KAN, dict]:
    torch.manual_seed(0)
    inputs = width[0] if isinstance(width[0], int) else sum(width[0])
    x = torch.rand(80, inputs) * 2 - 1
    y = torch.exp(torch.sin(torch.pi * x[:, :1]) + x[:, 1:2] ** 2)
    data = {"train_input": x, "train_label": y, "test_input": x, "test_label": y}
    model = KAN(width=width, seed=1, auto_save=False, **options)
    model(x)
    if steps:
        model.fit(data, opt="LBFGS", steps=steps, log=100)
    return model, data


def finer(model: KAN, data: dict) -> KAN:
    """Refine to 6 intervals; pykan writes a history on the way, for which it wants a folder."""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "history.txt").touch()
        model.ckpt_path = folder
        model(data["train_input"])
        return model.refine(6)


def models() -> dict[str, tuple[KAN, torch.Tensor]]:
    """Every checkpoint's model, with points to compare at."""
    made = {}
    model, data = trained([2, 3, 1], grid=3, k=3)
    made["splines"] = model
    model, data = trained([2, 3, 1], grid=4, k=2, base_fun="identity", steps=2)
    made["identity_base"] = shuffled(model, 1)
    model, data = trained([2, [2, 2], 1], grid=3, k=3, mult_arity=2, steps=2)
    made["products"] = shuffled(model, 2)
    model, data = trained([2, [1, 2], [1, 1]], grid=3, k=3, mult_arity=[[], [2, 3], [2]], steps=0)
    made["arities"] = shuffled(model, 3)
    model, data = trained([2, 2, 1], grid=3, k=3)
    model.fix_symbolic(0, 0, 0, "sin", verbose=False, log_history=False)
    model.fix_symbolic(0, 1, 1, "x^2", verbose=False, log_history=False)
    model.fix_symbolic(1, 0, 0, "exp", verbose=False, log_history=False)
    made["functions"] = model
    model, data = trained([2, 2, 1], grid=3, k=3)
    for i, o, name in ((0, 0, "sin"), (0, 1, "tanh"), (1, 0, "x^2"), (1, 1, "x")):
        model.fix_symbolic(0, i, o, name, verbose=False, log_history=False)
    model.fix_symbolic(1, 0, 0, "exp", verbose=False, log_history=False)
    model.fix_symbolic(1, 1, 0, "x^3", verbose=False, log_history=False)
    made["all_functions"] = shuffled(model, 4)
    model, data = trained([2, 2, 1], grid=3, k=3)
    model.fix_symbolic(0, 0, 0, "sin", verbose=False, log_history=False)
    model.set_mode(0, 0, 0, "ns")
    model.fix_symbolic(0, 1, 1, "cos", verbose=False, log_history=False)
    model.set_mode(0, 1, 1, "ns", mask_n=0.1)
    made["both"] = shuffled(model, 5)
    model, data = trained([2, 5, 1], grid=3, k=3, steps=10)
    model(data["train_input"])
    model.attribute()
    model = model.prune_node(0.2, log_history=False)
    model(data["train_input"])
    model.attribute()
    model.prune_edge(0.05, log_history=False)
    made["pruned"] = model
    made["refined"] = finer(*trained([2, 2, 1], grid=3, k=3))
    model, data = trained([2, 2, 1], grid=5, k=1, steps=2)
    made["degree_1"] = model
    model, data = trained([2, 2, 1], grid=4, k=[3, 7], base_fun=torch.nn.Tanh(), steps=2)
    made["degrees"] = shuffled(model, 6)
    model, data = trained([2, 2, 1], grid=3, k=3, base_fun=torch.nn.ELU(0.7), steps=0)
    made["elu"] = shuffled(model, 7)
    model, data = trained([2, 2, 1], grid=3, k=3, base_fun=torch.erf, steps=0)
    made["erf"] = shuffled(model, 8)
    return made


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    torch.set_default_dtype(torch.float64)
    for name, model in models().items():
        assert isinstance(model, MultKAN)
        inputs = model.width_in[0]
        generator = torch.Generator().manual_seed(7)
        inside = torch.rand(POINTS, inputs, generator=generator) * 1.6 - 0.8
        far = (torch.rand(POINTS, inputs, generator=generator) * 2 - 1) * 3
        x = torch.cat([inside, far])
        with torch.no_grad():
            y = model(x)
        with tempfile.TemporaryDirectory() as folder:
            model.ckpt_path = "./model"  # stands in the file; a folder of this machine has no place there
            model.saveckpt(f"{folder}/model")
            for ending in ("config.yml", "state"):
                shutil.copy(f"{folder}/model_{ending}", TARGET / f"{name}_{ending}")
        (TARGET / f"{name}.json").write_text(json.dumps({"x": x.tolist(), "y": y.tolist()}))
        print(name, model.width, list(y.shape))


if __name__ == "__main__":
    main()
