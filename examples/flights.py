"""How late does a flight arrive that leaves late? A CSV of 327,346 flights: ingest, fit, score, predict.

    python examples/flights.py

The data are all flights that left New York's three airports in 2013 and arrived (`data/README.md` says whence).
R's published fit of the same rows is the judge of ours. It needs the extra `ingest`: pip install "dgd[ingest]".
"""

import tempfile
from pathlib import Path

import numpy as np
import zarr

import dgd
from dgd.data.tables.ingest import ingest

FLIGHTS = Path(__file__).parent / "data" / "flights.csv.gz"

# R: lm(arr_delay ~ dep_delay, flights), as published, with eight decimals: intercept, then dep_delay.
R_LM = [-5.89949348, 1.01909292]
# For both columns a direct solution in float64: intercept, dep_delay, distance; and its R².
BOTH = [-3.212779440825323, 1.0180772080111706, -0.002550586452978194]
BOTH_R2 = 0.8386317761065999


def claim(text: str, holds: bool) -> None:
    """Print a statement that holds; stop at one that does not."""
    if not holds:  # raised by hand: `python -O` drops assert statements
        raise AssertionError(f"this is not true: {text}")
    print(f"   ✓ {text}")


def fit_one_column(folder: Path) -> None:
    print("\n2  arr_delay ~ dep_delay")
    ingest([FLIGHTS], folder / "one.zarr", target="arr_delay", features=["dep_delay"])
    # A small tol, because every digit that R printed is to be compared.
    result = dgd.fit(folder / "one.zarr", tol=1e-12)
    print(f"   {result.message}\n   {result.n_iter_} passes over the data")
    for who, (intercept, dep_delay) in (("dgd", result.theta), ("R", R_LM)):
        print(f"   {who:<4} arr_delay = {intercept:.8f} {dep_delay:+.8f} · dep_delay")
    claim("the same in all eight decimals", bool(np.all(np.abs(result.theta - R_LM) <= 5e-9)))
    print("   A minute lost at the gate is lost on arrival; a flight that leaves on time arrives six minutes early.")


def fit_two_columns(train: Path) -> dgd.Model:
    print("\n3  arr_delay ~ dep_delay + distance")
    # Minutes and miles have different scales. By default the descent runs in standardised columns, which changes the
    # path and never the solution: the coefficients are per minute and per mile, as stored.
    result = dgd.fit(train, tol=1e-12)
    print(f"   {result.n_iter_} passes; what each of them found:")
    for record in result.history:
        print(f"   {record.iteration:6}   MSE {record.loss:.9f}   ‖∇MSE‖ {record.grad_norm:.1e}")
    intercept, dep_delay, distance = result.theta
    print(f"   arr_delay = {intercept:.6f} {dep_delay:+.6f} · dep_delay {distance:+.6f} · distance")
    claim("equal to the direct solution", bool(np.allclose(result.theta, BOTH, rtol=1e-9, atol=0.0)))
    print(f"   In the air, a flight makes up {-1000 * distance:.1f} minutes every thousand miles.")
    return result.model


def score(model: dgd.Model, train: Path) -> float:
    print("\n4  How good is it? One more pass.")
    found = model.score(train)
    print(f"   R² {found.r2:.6f}   RMSE {found.rmse:.3f} min   MAE {found.mae:.3f} min")
    claim("R² as it should be", bool(np.isclose(found.r2, BOTH_R2, rtol=1e-12, atol=0.0)))
    return float(found.rmse)


def predict(model: dgd.Model, train: Path, out: Path, rmse: float) -> None:
    print("\n5  Predictions, written chunk by chunk to a Zarr array that any program can read")
    dgd.predict_to(model, train, out)
    predicted = np.asarray(zarr.open_array(out, mode="r")[:], dtype=np.float64)
    arr_delay = np.asarray(zarr.open_array(train / "y", mode="r")[:], dtype=np.float64)
    for i in range(3):
        print(f"   flight {i}   predicted {predicted[i]:6.2f} min   it was {arr_delay[i]:4.0f}")
    claim(f"{len(predicted):,} predictions, none missing", predicted.shape == (327_346,))
    by_numpy = np.sqrt(np.mean((predicted - arr_delay) ** 2))  # these still fit in memory: the naive formula
    claim("their RMSE, by NumPy, is the one above", bool(np.isclose(by_numpy, rmse, rtol=1e-12, atol=0.0)))


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="dgd-flights-") as name:
        folder = Path(name)
        print("1  From CSV to chunks: names become columns, text would be refused")
        train = folder / "train.zarr"
        ingested = ingest([FLIGHTS], train, target="arr_delay", features=["dep_delay", "distance"])
        print(f"   {ingested.rows:,} rows of {', '.join(ingested.features)} and {ingested.target}")
        print(f"   plan of a fit: {dgd.plan(train).line()}")
        fit_one_column(folder)
        model = fit_two_columns(train)
        rmse = score(model, train)
        predict(model, train, folder / "predictions.zarr", rmse)


if __name__ == "__main__":
    main()
