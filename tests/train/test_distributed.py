"""Several processes train one network: with its parts of the samples they do what one process does with all of them."""

import multiprocessing
import os
import signal
import sys
from unittest import mock

import pytest
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset

from edgewise.checkpoint import Checkpointer, read
from edgewise.errors import EdgewiseError, InputError
from edgewise.nn.model import KAN
from edgewise.processes import joined_processes
from edgewise.train.blocks import Data, ResidualBlock
from edgewise.train.jacobian import matrix_free
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.base import Adam
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.methods.quasi_newton import LBFGS, SSBroyden
from edgewise.train.penalties import Ridge, Roughness, Sparsity
from edgewise.train.problems import BlockProblem, Classification, OrdinalClassification, Regression
from edgewise.train.shared import Shard


@pytest.fixture
def one_process(tmp_path):
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def samples(rows=200):
    x = torch.rand(rows, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x, (torch.sin(5 * x[:, 0]) * x[:, 1] + x[:, 1] ** 2)[:, None]


def cases():
    """Fits by name: method, penalty, kind of problem, steps; few enough that rounding does not grow."""
    sparse, smooth = Sparsity(1e-4), Ridge(1e-5) + Roughness(1e-6)
    return {
        "LM": (None, None, "tensors", 6),  # it is chosen
        "LM, sparse": (LevenbergMarquardt(), sparse, "tensors", 4),
        "LM, loader": (LevenbergMarquardt(), smooth, "loader", 6),
        "LM, float32": (LevenbergMarquardt(), None, "float32", 3),
        "LM, classes": (LevenbergMarquardt(), None, "classes", 4),
        "LM, ordinal": (LevenbergMarquardt(), None, "ordinal", 4),
        "LM, no matrix": (LevenbergMarquardt(factorised=10), smooth, "tensors", 4),
        "LM, no matrix, ordinal": (LevenbergMarquardt(factorised=10), None, "ordinal", 3),
        "LBFGS": (LBFGS(), sparse, "tensors", 8),
        "SSBroyden": (SSBroyden(), smooth, "tensors", 8),
        "Adam": (Adam(lr=0.1), sparse, "tensors", 8),
        "LBFGS, validation": (LBFGS(), None, "validation", 8),
    }


def problem_of(kind, part):
    """The problem on some of the samples, the second half of which has other targets."""
    x, y = samples()
    y[100:] *= -1
    labels = (y[:, 0] > 0.3).long() + (y[:, 0] > 1).long()
    start = OrdinalClassification(x, labels, classes=3).unknowns["steps"]
    x, y, labels = x[part], y[part], labels[part]
    if kind == "loader":
        return Regression(DataLoader(TensorDataset(x, y), batch_size=17))
    if kind == "float32":
        return Regression(x.float(), y.float())
    if kind == "classes":
        return Classification(x, labels, classes=3)
    if kind == "ordinal":
        problem = OrdinalClassification(x, labels, classes=3)
        problem.unknowns["steps"].data.copy_(start)  # the thresholds start from the labels of one process
        return problem
    return Regression(x, y, validation=(x, y.abs()) if kind == "validation" else None)


def trained(name, part, wrap=lambda model: model):
    method, penalty, kind, steps = cases()[name]
    dtype = torch.float32 if kind == "float32" else torch.float64
    model = KAN([2, 2, 3 if kind == "classes" else 1], grid_size=3, dtype=dtype)
    problem = problem_of(kind, part)
    with mock.patch.object(matrix_free, "PRECONDITIONER_SAMPLES", 150):  # fewer than there are
        metrics = {"largest": lambda prediction, y: prediction.abs().max() + len(y)}
        report = fit(wrap(model), problem, method, steps=steps, penalty=penalty, metrics=metrics)
    unknown = {name: value.detach() for name, value in problem.unknowns.items()}
    return report, {**model.state_dict(), **unknown}


def bounds(count):
    """Unequal parts of the samples."""
    return [0, *(200 * k // count + 9 for k in range(1, count)), 200]


def work(number, count, port, task, folder):
    """Do a task in one of several processes; its output is in a file, and 3 is the exit code after an error."""
    torch.set_num_threads(1)
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": count, "RANK": number}
    world["TORCHELASTIC_USE_AGENT_STORE"] = True
    os.environ |= {name: str(value) for name, value in world.items()}
    with open(folder / f"said-{number}", "w", buffering=1) as sys.stdout:
        try:
            if hasattr(task, "backend"):
                distributed.init_process_group(task.backend)
            with joined_processes(timeout=60):
                task(number, slice(*bounds(count)[number : number + 2]), folder)
        except (EdgewiseError, KeyboardInterrupt) as error:
            print(f"{type(error).__name__}: {error}")
            os._exit(3)


def run(count, task, folder):
    """Do a task in so many processes; return the exit code and the output of each."""
    # Children of a server that has imported torch: each would need some seconds for it.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch.distributed", "edgewise.train", "edgewise.checkpoint"])
    store = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # as torchrun holds one
    arguments = (count, store.port, task, folder)
    workers = [context.Process(target=work, args=(number, *arguments)) for number in range(count)]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            worker.join(timeout=100)
        return [worker.exitcode for worker in workers], [(folder / f"said-{k}").read_text() for k in range(count)]
    finally:
        for worker in workers:
            worker.kill()


def fit_cases(number, part, folder):
    found = {}
    for name in cases():
        report, tensors = trained(name, part, DistributedDataParallel)
        found[name] = {"facts": facts_of(report), **tensors}
    torch.save(found, folder / str(number))


def facts_of(report):
    facts = [report.loss, report.validation_loss or 0.0, report.steps, report.best_step, report.metric[1]]
    return torch.tensor([*facts, report.history[-1].metrics["largest"]])


@pytest.mark.nightly
def test_processes_agree_with_one(tmp_path):
    codes, said = run(3, fit_cases, tmp_path)
    assert codes == [0] * 3, said
    first, *others = (torch.load(tmp_path / str(number), weights_only=True) for number in range(3))
    assert set(first) == set(cases())
    for name, mine in first.items():
        assert all(torch.equal(other[name][key], mine[key]) for other in others for key in mine), name
        report, alone = trained(name, slice(None))
        precision = 1e-5 if "float32" in name else 1e-8
        for key, value in {"facts": facts_of(report), **alone}.items():
            assert torch.allclose(value.double(), mine[key].double(), rtol=precision, atol=precision), (name, key)


def small():
    return KAN([2, 2, 1], grid_size=3, dtype=torch.float64)


def fit_with_a_loss(number, part, folder):
    """A fit that saves each step; process 1 is killed at a request in the middle of it, unless there is a state."""
    model, saved = small(), folder / "state.safetensors"
    resume = read(saved).state if saved.exists() else None
    if number == 1 and resume is None:
        requests, answer = [], Shard.__call__

        def counted(self, request):
            requests.append(request)
            if len(requests) == 9:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer(self, request)

        Shard.__call__ = counted
    settings = {"steps": 6, "callbacks": [Checkpointer(saved, every=1)], "resume": resume}
    fit(DistributedDataParallel(model), problem_of("tensors", part), LBFGS(), **settings)
    torch.save(model.state_dict(), folder / str(number))


@pytest.mark.nightly
def test_a_worker_that_is_killed_ends_the_others_and_the_fit_goes_on_later(tmp_path):
    codes, said = run(2, fit_with_a_loss, tmp_path)
    assert codes == [3, -signal.SIGKILL]
    assert "ProcessError: process 0 of 2 heard nothing from another one, which has ended or hangs" in said[0]
    assert 0 < read(tmp_path / "state.safetensors").state["step"] < 6
    codes, said = run(2, fit_with_a_loss, tmp_path)
    assert codes == [0, 0], said
    model = small()
    fit(model, problem_of("tensors", slice(None)), LBFGS(), steps=6)
    for name, value in torch.load(tmp_path / "1", weights_only=True).items():
        assert torch.allclose(value.double(), model.state_dict()[name].double(), rtol=1e-8, atol=1e-8)


def fits_that_fail(number, part, folder):
    model, (x, y) = DistributedDataParallel(small()), samples(20)
    plain, held = Regression(x, y), Regression(x, y, validation=(x, y))
    for problem, method, callbacks in (
        (held if number else plain, LBFGS(), []),
        (plain, LBFGS(), [] if number else [lambda event: 1 / 0]),
        (Regression(x, y, weight=torch.ones(20)), LBFGS(), []),
        (Regression(x, y, validation=(x, y, torch.ones(20))), LBFGS(), []),
    ):
        try:
            fit(model, problem, method, callbacks=callbacks)
        except (EdgewiseError, ZeroDivisionError) as error:
            print(f"{type(error).__name__}: {error}")
    if number == 0:
        x[0, 0] = float("nan")
    fit(model, Regression(x, y), LBFGS())


@pytest.mark.slow
def test_failures_are_the_same_sentence_everywhere(tmp_path):
    codes, said = run(3, fits_that_fail, tmp_path)
    assert codes == [3, 3, 3]
    for number, words in enumerate(said):
        assert "validation must be the same in all processes, got none in process 0 and given in process 1" in words
        assert ("InputError: ZeroDivisionError: division by zero" if number else "ZeroDivisionError: divi") in words
        assert words.count("weight must be left out in several processes") == 2
    reason = "x must be finite, got 1 NaN or infinite values"
    assert f"InputError: {reason}" in said[0]
    for number in (1, 2):
        assert f"ProcessError: process {number} of 3 ends since process 0 has failed: {reason}" in said[number], said


def test_one_process_of_several_is_a_plain_fit(one_process):
    plain, shared = small(), small()
    problem = problem_of("tensors", slice(None))
    report = fit(plain, problem, LevenbergMarquardt(), steps=4)
    metrics = {"max": lambda p, y: (p - y).abs().max()}
    report = fit(small(), problem, LevenbergMarquardt(), steps=4, metrics=metrics)
    together = fit(DistributedDataParallel(shared), problem, LevenbergMarquardt(), steps=4, metrics=metrics)
    assert together.loss == pytest.approx(report.loss, rel=1e-12)
    assert together.metric == ("rmse", pytest.approx(report.metric[1], rel=1e-9))
    largest = [one.history[-1].metrics["max"] for one in (report, together)]
    assert largest[1] == pytest.approx(largest[0], rel=1e-7)
    for a, b in zip(plain.parameters(), shared.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-12)
    block = ResidualBlock("data", Data(*samples(20)), lambda jet, part: jet[0] - part.y)
    with pytest.raises(InputError, match="problem must be a loss of samples in several processes, got BlockProblem"):
        fit(DistributedDataParallel(shared), BlockProblem([block]), LBFGS())


@pytest.mark.parametrize("penalty", [None, Sparsity(1e-2)])
def test_minibatches_of_one_process_are_a_plain_fit(one_process, penalty):
    plain, wrapped = small(), small()
    problem = problem_of("tensors", slice(None))
    for model in (plain, DistributedDataParallel(wrapped)):
        assert fit(model, problem, Adam(), steps=5, batch_size=60, penalty=penalty).steps == 5
    for a, b in zip(plain.parameters(), wrapped.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-12)
