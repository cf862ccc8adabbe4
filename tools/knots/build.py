"""Builds the knot table from the Hoste-Thistlethwaite table, with SnapPy: python -m tools.knots.build FOLDER

Two long stages write a file for every 5,000 knots, so that an interrupted command continues with the next file; rows
that failed are tried again at the end, with other diagrams and triangulations. On one core this takes about an hour for
15 crossings, and half a minute for `--max-crossings 11`. See README.md in this folder.
"""

import argparse
import multiprocessing
import random
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

import numpy as np
import pandas as pd
import snappy  # noqa: F401  # spherogram uses it for exteriors
import snappy_15_knots.database
import spherogram
from tools.knots.diagrams import alexander_span, seifert_genus, signature
from tools.knots.geometry import cusp, make_positive, short_geodesic
from tools.knots.torsion import degrees

CHUNK = 5000  # knots in a file of a stage
ODD = ("signature", "chern_simons", "meridinal_translation_real", "short_geodesic_imag_part")  # under mirror image
SYMMETRIES = ("0", "D3", "D4", "D6", "D8", "Z/2 + Z/2")  # the columns of DeepMind's table
ROUNDED = ("volume", "cusp_volume", "longitudinal_translation", "meridinal_translation_real")
TRIES, SECONDS = 8, 20  # of a knot at which SnapPy's kernel stopped: attempts, and the time limit of each


def knot_names(least: int, most: int) -> pd.DataFrame:
    """Return name, crossings and alternation of the knots of the Hoste-Thistlethwaite table, in its order."""
    with sqlite3.connect(f"file:{snappy_15_knots.database.database_path}?mode=ro", uri=True) as connection:
        names = [row[0] for row in connection.execute("select name from HT_links where cusps=1 order by id")]
    crossings = [int(name[1:].split("a")[0].split("n")[0]) for name in names]
    table = pd.DataFrame({"name": names, "crossings": crossings, "alternating": ["a" in name[1:] for name in names]})
    return table[table.crossings.between(least, most)].reset_index(drop=True)


def geometry_row(name: str, attempt: int = 0) -> dict:
    """Compute invariants of a diagram and of its complement.

    Parameters
    ----------
    attempt : int
        0 for the table's diagram, 1 for its mirror image (with the signs changed back), 2 and more for other diagrams.
    """
    link = spherogram.Link(name)
    code = [list(crossing) for crossing in link.PD_code()]
    row: dict = dict(zip(("signature", "determinant"), signature(code), strict=True))
    row |= {"genus_diagram": seifert_genus(code), "alexander_span": alexander_span(code)}
    if attempt == 1:
        link = link.mirror()
    elif attempt > 1:
        link.backtrack(steps=2 + attempt)
    exterior = link.exterior()
    if not make_positive(exterior):
        return {**row, "ok": False, "error": f"no positively oriented solution ({exterior.solution_type()})"}
    row["volume"] = float(exterior.volume())
    row["chern_simons"] = float(exterior.chern_simons())
    row["symmetry_group"] = str(exterior.symmetry_group())
    row["cusp_volume"], meridian, row["longitudinal_translation"] = cusp(exterior)
    row["meridinal_translation_real"], row["meridinal_translation_imag"] = meridian.real, meridian.imag
    geodesic = short_geodesic(exterior)
    if geodesic is None:
        return {**row, "ok": False, "error": "no short geodesic"}
    row["short_geodesic_real_part"], row["short_geodesic_imag_part"] = geodesic.real, geodesic.imag
    if attempt == 1:
        row |= {column: -row[column] for column in ODD if column != "signature"}
    return {**row, "ok": True, "error": ""}


def torsion_row(knot: Any) -> dict:
    """Return the genus if the diagram determines it, and degrees of the torsion polynomials; knot: a geometry row."""
    exact = has_known_genus(knot)
    row: dict = {"genus": int(knot.genus_diagram)} if exact else {}
    if knot.ok:
        exterior = spherogram.Link(knot.name).exterior()
        make_positive(exterior)
        row |= degrees(exterior, int(knot.genus_diagram), exact=exact, plain=not exact)
    return row


def torsion_again(knot: Any) -> dict:
    """Compute the same with the genus from knot Floer homology, and other triangulations."""
    link = spherogram.Link(knot.name)
    row: dict = {"genus": int(link.knot_floer_homology()["seifert_genus"])}
    for _ in range(25):
        exterior = link.exterior()
        exterior.randomize()
        make_positive(exterior)
        row |= degrees(exterior, row["genus"], exact=True, plain=not has_known_genus(knot), tries=12)
        if "adjoint" in row and ("plain" in row or has_known_genus(knot)):
            break
    return row


def has_known_genus(knot: Any) -> bool:
    """Return whether the diagram gives the genus: it alternates, or Seifert's surface attains Alexander's bound."""
    return bool(knot.alternating or knot.alexander_span == 2 * knot.genus_diagram)


def staged(folder: Path, stage: str, rows: pd.DataFrame, work: Callable[[Any], dict]) -> pd.DataFrame:
    """Return the results of `work` for all rows, chunk by chunk; chunks that have a file are read."""
    started, parts = time.time(), []
    for start in range(0, len(rows), CHUNK):
        path = folder / f"{stage}_{start:06d}.parquet"
        if not path.exists():
            chunk = pd.DataFrame([row_or_error(work, row) for row in rows[start : start + CHUNK].itertuples()])
            chunk.to_parquet(path.with_suffix(".part"), index=False)
            path.with_suffix(".part").rename(path)
            print(f"{stage}: {start + len(chunk):,} of {len(rows):,}, {time.time() - started:.0f} s", flush=True)
        parts.append(pd.read_parquet(path))
    return pd.concat(parts, ignore_index=True)


def row_or_error(work: Callable[[Any], dict], row: Any) -> dict:
    """Return the result for a knot, or a row with the error; such a knot is tried again later."""
    try:
        return {"name": row.name, **work(row)}
    except Exception as error:
        return {"name": row.name, "ok": False, "error": repr(error)}


def retried(knots: Iterable) -> pd.DataFrame:
    """Return rows of knots at which SnapPy's kernel stopped, each try in a process of its own with a time limit."""
    rows = []
    for knot in knots:
        row = {"ok": False, "error": "time limit"}
        for attempt in range(TRIES):
            answers: multiprocessing.Queue = multiprocessing.Queue()
            child = multiprocessing.Process(target=put_geometry_row, args=(knot.name, attempt, answers))
            child.start()
            with suppress(Empty):
                row = answers.get(timeout=SECONDS)
            child.kill()
            child.join()
            if row["ok"]:
                break
        rows.append({"name": knot.name, **row})
        print(f"again: {knot.name} {'computed' if row['ok'] else row['error']}", flush=True)
    return pd.DataFrame(rows)


def put_geometry_row(name: str, attempt: int, answers: multiprocessing.Queue) -> None:
    """Put the geometry row of a knot, or the error, into a queue."""
    try:
        answers.put(geometry_row(name, attempt))
    except Exception as error:
        answers.put({"ok": False, "error": repr(error)})


def table(knots: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of DeepMind's table under its names, and further invariants of each knot."""
    knots = knots[knots.ok].reset_index(drop=True)
    plain = knots.get("plain", pd.Series(np.nan, index=knots.index))
    genus = knots.genus.where([has_known_genus(knot) for knot in knots.itertuples()], (plain + 2) / 4)
    turn = knots.short_geodesic_imag_part
    turn = np.where(turn <= -np.pi, turn + 2 * np.pi, np.where(turn > np.pi, turn - 2 * np.pi, turn))
    out = pd.DataFrame({"name": knots.name.astype("string"), "crossings": knots.crossings.astype("int8")})
    out["alternating"] = knots.alternating.astype(bool)
    out["signature"] = knots.signature.astype("int8")
    out["chern_simons"] = knots.chern_simons
    out["cusp_volume"] = knots.cusp_volume
    out["hyperbolic_adjoint_torsion_degree"] = knots.adjoint.astype("Int8")
    out["hyperbolic_torsion_degree"] = (4 * genus - 2).astype("Int8")
    out["injectivity_radius"] = knots.short_geodesic_real_part / 2
    for name in ("longitudinal_translation", "meridinal_translation_imag", "meridinal_translation_real"):
        out[name] = knots[name]
    out["short_geodesic_imag_part"], out["short_geodesic_real_part"] = turn, knots.short_geodesic_real_part
    for symmetry in SYMMETRIES:
        out[f"Symmetry_{symmetry}"] = (knots.symmetry_group == symmetry).astype("int8")
    out["volume"] = knots.volume
    out["symmetry_group"] = knots.symmetry_group.astype("category")
    out["determinant"], out["genus"] = knots.determinant.astype("int16"), genus.astype("Int8")
    out = out.astype({name: "float32" for name in out.columns if out[name].dtype == "float64"})
    for name in ("chern_simons", "meridinal_translation_real"):  # zeros of amphicheiral knots come out as 1e-16
        out.loc[out[name].abs() < 1e-7, name] = 0.0
    alike = knots[list(ROUNDED)].assign(meridinal_translation_real=knots.meridinal_translation_real.abs()).round(4)
    out["group"] = alike.groupby(list(ROUNDED), sort=False).ngroup().astype("int32")
    return out


def write(out: pd.DataFrame, folder: Path) -> None:
    """Write knots.parquet, and the sample of 8,000 rows as the package has it."""
    whole = out.dropna()
    whole = whole.astype({name: "int8" for name in whole.columns if str(whole[name].dtype) == "Int8"})
    floats = [name for name in whole.columns if whole[name].dtype == "float32"]
    coded = [name for name in whole.columns if name not in (*floats, "name")]
    settings = {"compression": "zstd", "compression_level": 19, "use_dictionary": coded}
    whole.to_parquet(folder / "knots.parquet", index=False, use_byte_stream_split=floats, **settings)
    sample = whole.sample(min(8000, len(whole)), random_state=0).sort_index()
    compression = {"method": "gzip", "mtime": 0, "compresslevel": 9}
    sample.to_csv(folder / "knots_sample.csv.gz", index=False, float_format="%.7g", compression=compression)
    print(f"{len(whole):,} knots in {folder / 'knots.parquet'}, {len(out) - len(whole)} left out", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--min-crossings", type=int, default=3)
    parser.add_argument("--max-crossings", type=int, default=15)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    random.seed(0)  # spherogram's random moves
    names = knot_names(options.min_crossings, options.max_crossings)
    geometry = staged(options.folder, "geometry", names, lambda knot: geometry_row(knot.name))
    failed = geometry[~geometry.ok]
    if len(failed):
        geometry = pd.concat([geometry[geometry.ok], retried(failed.itertuples())], ignore_index=True)
    knots = names.merge(geometry, on="name", how="left", validate="one_to_one")
    torsion = staged(options.folder, "torsion", knots, torsion_row).drop(columns=["ok", "error"], errors="ignore")
    knots = knots.merge(torsion, on="name", validate="one_to_one")
    plain = knots.get("plain", pd.Series(np.nan, index=knots.index))
    unclear = knots[knots.ok & (knots.adjoint.isna() | (~knots.apply(has_known_genus, axis=1) & plain.isna()))]
    if len(unclear):
        again = pd.DataFrame([row_or_error(torsion_again, knot) for knot in unclear.itertuples()]).set_index("name")
        again = again.drop(columns=["ok", "error"], errors="ignore")
        knots = again.combine_first(knots.set_index("name")).loc[knots.name].reset_index()
    write(table(knots), options.folder)


if __name__ == "__main__":
    main()
