"""Result tables of the transformers: losses at equal time and equal text, speed, samples."""

from edgewise_experiments.language.reporting import best_row, summary


def row_of(task, kind, loss, **changes):
    setting = {"grid": 4, "degree": 3, "rate": 3e-3} if kind == "KAN" else {"activation": "silu", "rate": 3e-3}
    return {
        **{"task": task, "kind": kind, "setting": setting, "seed": 0, "most": 100_000, "device": "cpu"},
        **{"given": {"seconds": 60}, "loss": loss, "unigram": 3.1, "parameters": 99_000, "feed_forward": 60_000},
        **{"read": 1_000_000, "steps": 976, "a_second": 20_000 if kind == "KAN" else 25_000, "trained": 60.2},
        **{"seconds": 70.0, "looks": [[500_000, 30.0, 2.5], [1_000_000, 60.2, loss]], "said": "\nOf man,\n  and all"},
        **changes,
    }


def test_kan_and_mlp():
    rows = [
        *(row_of("tune", "KAN", 2.4), row_of("equal time", "KAN", 2.0), row_of("equal time", "MLP", 1.9)),
        *(row_of("equal text", "KAN", 1.8), row_of("equal text", "MLP", 1.85)),
    ]
    outcome = summary(rows)
    numbers = outcome.key_figures
    assert (numbers["equal time, cpu: loss of the KAN"], numbers["equal time, cpu: loss of the MLP"]) == (
        "2.000",
        "1.900",
    )
    assert numbers["equal time, cpu: KAN minus MLP"] == "+0.100"
    assert numbers["equal text, cpu: KAN minus MLP"] == "-0.050"
    assert numbers["equal text, cpu: speed of the KAN over that of the MLP"] == "0.80"
    _, losses, samples = outcome.tables
    assert losses.rows[0] == (
        *(
            "equal time",
            "KAN",
            "grid 4, degree 3, rate 0.003",
            "99,000",
            "60,000",
            "1,000,000",
            "60",
            "20,000",
            "2.000",
        ),
    )
    assert samples.rows == tuple((kind, "equal time", "Of man, / and all") for kind in ("KAN", "MLP"))
    time, text = outcome.figures["loss"]().axes
    assert list(time.lines[0].get_xdata()) == [30, 60.2] and list(text.lines[1].get_ydata()) == [2.5, 1.85]
    assert text.get_xlabel() == "million characters read"


def test_what_is_missing_is_not_compared():
    assert summary([row_of("tune", "KAN", 2.4)]).notes == ("There are no rows yet.",)
    outcome = summary([row_of("equal time", "KAN", 2.0), row_of("equal time", "MLP", None)])
    assert "equal time, cpu: KAN minus MLP" not in outcome.key_figures and outcome.tables[1].rows[1][-1] == "-"
    same = summary([row_of("equal time", "KAN", 2.0001), row_of("equal time", "MLP", 2.0)])
    assert same.key_figures["equal time, cpu: KAN minus MLP"] == "+0.000"


def test_the_interval_of_the_differences_of_three_seeds():
    rows = [
        row_of("equal time", kind, loss, seed=seed)
        for seed, losses in enumerate(((2.0, 1.9), (2.1, 1.8), (2.2, 1.9)))
        for kind, loss in zip(("KAN", "MLP"), losses, strict=True)
    ]
    # Differences 0.1, 0.3, 0.3: standard deviation 0.1155, and t is 4.303 for two degrees of freedom.
    assert summary(rows).key_figures["equal time, cpu: KAN minus MLP"] == "+0.233 ± 0.287"


def test_the_best_and_the_line():
    rows = [row_of("tune", "KAN", 2.4), row_of("tune", "KAN", None), row_of("tune", "KAN", 2.2, steps=5)]
    assert best_row(rows, "tune", "KAN", 0)["steps"] == 5


def test_seeds_are_taken_together():
    rows = [row_of("equal time", kind, 2.0 + 0.1 * seed, seed=seed) for kind in ("KAN", "MLP") for seed in range(3)]
    rows[0]["setting"] = {"grid": 8, "degree": 2, "rate": 3e-3}
    _, losses, samples = summary(rows).tables
    assert len(losses.rows) == len(samples.rows) == 2
    assert losses.rows[0][-1] == "2.100 ± 0.100"
    assert losses.rows[0][2] == "grid 8, degree 2, rate 0.003 or grid 4, degree 3, rate 0.003"
