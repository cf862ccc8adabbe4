"""Checkpoints that pykan 0.2.8 wrote (tools/pykan/make_checkpoints.py) give pykan's outputs, also beyond the grid."""

import contextlib
import json
import pathlib
import shutil
import zipfile

import numpy as np
import pytest
import torch

import edgewise
from edgewise import KAN
from edgewise.errors import InputError
from edgewise.pykan import from_pykan

CHECKPOINTS = pathlib.Path(__file__).parent / "checkpoints"
NAMES = sorted(path.name.removesuffix("_state") for path in CHECKPOINTS.glob("*_state"))


@pytest.mark.parametrize("name", NAMES)
def test_the_outputs_are_those_of_pykan(name, tmp_path):
    record = json.loads((CHECKPOINTS / f"{name}.json").read_text())
    x, y = (torch.tensor(record[key], dtype=torch.float64) for key in "xy")
    model = from_pykan(CHECKPOINTS / name)
    assert isinstance(model, KAN)
    with torch.no_grad():
        assert torch.allclose(model(x), y, rtol=1e-12, atol=1e-12 * float(y.abs().max()))
        if name == "elu":  # of a setting that is not torch's own, so the function has no name
            with pytest.raises(InputError, match=r"^model must have a base function that torch has under a name"):
                edgewise.save(model, tmp_path / "model.safetensors")
            return
        edgewise.save(model, tmp_path / "model.safetensors")
        again = edgewise.load(tmp_path / "model.safetensors")
        assert again.config == model.config and torch.equal(again(x), model(x))
        lines = from_pykan(CHECKPOINTS / name, beyond="line")
        inside = x[:40] if len(model.config.width) == 2 else x[:0]
        assert torch.allclose(lines(inside), y[: len(inside)])


def test_shapes():
    assert len(NAMES) == 13
    assert from_pykan(CHECKPOINTS / "erf").config.base == "erf"
    degrees = from_pykan(CHECKPOINTS / "degrees").config
    assert degrees.degrees == (3, 7) and degrees.base == "tanh"
    assert from_pykan(CHECKPOINTS / "pruned").config.width == (2, 4, 1)
    assert from_pykan(CHECKPOINTS / "functions").config.functions[0] == (("sin", ""), ("", "x^2"))
    assert from_pykan(CHECKPOINTS / "both").config.functions[0] == (("+sin", ""), ("", "+cos"))
    arities = from_pykan(CHECKPOINTS / "arities").config
    assert arities.products[0] == (2, 3) and len(arities.width) > 3  # a layer of its own adds biases behind products


def test_the_newest_of_a_folder(tmp_path):
    for version, name in (("0.9", "splines"), ("0.10", "degree_1")):
        for ending in ("config.yml", "state"):
            shutil.copy(CHECKPOINTS / f"{name}_{ending}", tmp_path / f"{version}_{ending}")
    assert from_pykan(tmp_path).config.degree == 1
    assert from_pykan(str(tmp_path / "0.9")).config.degree == 3


def test_a_model_in_memory():
    class Functions:
        def __init__(self, names):
            self.funs_name = names

    class Living:
        mult_arity, base_fun_name, symbolic_enabled = 2, "silu", True
        symbolic_fun = (Functions([["0", "0"]] * 3), Functions([["0"] * 3]))

        def state_dict(self):
            return torch.load(CHECKPOINTS / "splines_state", weights_only=True)

    x = torch.rand(5, 2, dtype=torch.float64)
    assert torch.equal(from_pykan(Living())(x), from_pykan(CHECKPOINTS / "splines")(x))


BASES = {
    "!!python/name:torch.nn.functional.mish ''": "mish",
    "!!python/name:torch._C._nn.gelu ''": "gelu",
    "!!python/name:torch._C._special.special_erf ''": "erf",
    "!!python/name:kan.MultKAN.%3Clambda%3E ''": "zero",  # what pykan writes after `prune_input`
    "!!python/object:torch.nn.modules.activation.LeakyReLU\n  negative_slope: 0.01": "leaky_relu",
}


@pytest.mark.parametrize("text", BASES)
def test_base_functions_in_yaml(tmp_path, text):
    path = copied(tmp_path)
    config = (tmp_path / "m_config.yml").read_text()
    (tmp_path / "m_config.yml").write_text(config.replace("base_fun_name: silu", f"base_fun_name: {text}"))
    assert from_pykan(path).config.base == BASES[text]


@pytest.mark.parametrize(
    "text",
    [
        "!!python/name:__main__.%3Clambda%3E ''",
        "!!python/name:os.system ''",
        "!!python/name:torch.seed ''",
        "!!python/object:torch.nn.modules.activation.Softmax",
        "airy",
        "''",
    ],
)
def test_a_base_function_without_a_name_is_given(tmp_path, text):
    path = copied(tmp_path)
    config = (tmp_path / "m_config.yml").read_text()
    (tmp_path / "m_config.yml").write_text(config.replace("base_fun_name: silu", f"base_fun_name: {text}"))
    with pytest.raises(InputError, match=r"^base must be given, the file names none that torch has: "):
        from_pykan(path)
    x = torch.rand(5, 2, dtype=torch.float64)
    same = from_pykan(CHECKPOINTS / "splines")(x)
    torch.testing.assert_close(from_pykan(path, base=lambda x: x * torch.sigmoid(x))(x), same)


def test_a_base_that_is_no_function_is_refused():
    with pytest.raises(InputError, match=r"^base must be a function of a tensor, .* got 3$"):
        from_pykan(CHECKPOINTS / "splines", base=3)


def copied(tmp_path, name="splines"):
    for ending in ("config.yml", "state"):
        shutil.copy(CHECKPOINTS / f"{name}_{ending}", tmp_path / f"m_{ending}")
    return tmp_path / "m"


def test_damaged_files_are_refused(tmp_path):
    path = copied(tmp_path)
    state = (tmp_path / "m_state").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(state)
        for place in rng.integers(0, len(data), 4):
            data[place] = rng.integers(256)
        (tmp_path / "m_state").write_bytes(bytes(data[: rng.integers(len(data) // 2, len(data) + 1)]))
        with contextlib.suppress(InputError):
            from_pykan(path)
    (tmp_path / "m_state").write_bytes(state)
    text = (tmp_path / "m_config.yml").read_text()
    for _ in range(60):
        place = int(rng.integers(len(text)))
        changed = text[:place] + chr(int(rng.integers(9, 126))) + text[place + 1 :]
        (tmp_path / "m_config.yml").write_text(changed)
        with contextlib.suppress(InputError):
            from_pykan(path)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda s: s.update({"act_fun.0.mask": torch.zeros(1)}), "source must hold act_fun.0.mask as real numbers"),
        (lambda s: s.pop("act_fun.0.grid"), "source must hold a tensor act_fun.0.grid"),
        (lambda s: s["act_fun.0.coef"].fill_(float("nan")), "source must hold finite numbers"),
        (lambda s: s.pop("act_fun.0.coef"), "source must hold act_fun.0.coef"),
        (lambda s: s.update({"act_fun.0.coef": torch.zeros(1).expand(10**6, 10**6)}), "source must have a state of"),
        (lambda s: s["act_fun.1.grid"].zero_().add_(torch.tensor([1.0] * 9 + [2.0])), "source must have grids of"),
    ],
)
def test_states_of_other_shapes(tmp_path, change, message):
    path = copied(tmp_path)
    state = torch.load(tmp_path / "m_state", weights_only=True)
    change(state)
    torch.save(state, tmp_path / "m_state")
    with pytest.raises(InputError, match=f"^{message}"):
        from_pykan(path)


def test_compressed_states_and_deep_lists(tmp_path):
    path = copied(tmp_path)
    config = (tmp_path / "m_config.yml").read_text()
    (tmp_path / "m_config.yml").write_text(config + "mult_arity:\n" + "- " * 5000 + "2\n")
    with pytest.raises(InputError, match=r"^source must have lists nested"):
        from_pykan(path)
    (tmp_path / "m_config.yml").write_text(config)
    with zipfile.ZipFile(tmp_path / "m_state", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"0" * 10**6)
    with pytest.raises(InputError, match=r"^source must have a state that torch wrote"):
        from_pykan(path)
    with pytest.raises(InputError, match=r"^source must be the path of a pykan checkpoint or a MultKAN, got int"):
        from_pykan(3)
    with pytest.raises(InputError, match=r"^source must be a pykan checkpoint or a folder of them"):
        from_pykan(_empty(tmp_path))
    with pytest.raises(InputError, match=r'^beyond must be "zero" or "line"'):
        from_pykan(path, beyond="flat")


def _empty(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def test_an_unknown_function_is_named(tmp_path):
    path = copied(tmp_path, "functions")
    text = (tmp_path / "m_config.yml").read_text()
    (tmp_path / "m_config.yml").write_text(text.replace("sin", "airy"))
    with pytest.raises(InputError, match=r"^table must have the functions of the network, it lacks airy"):
        from_pykan(path)
