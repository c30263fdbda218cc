"""Predictions with standard errors and intervals, and models that are saved with what these need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_inference_reference import close, given, reference

import dgd
from dgd.cli import main
from dgd.errors import ConfigurationError, ModelError
from dgd.losses import Huber, Softmax
from dgd.models.files import DOCUMENT, seal
from dgd.models.model import Model


def fit(loss: Any = "squared", y: str | None = None, **options: Any) -> dgd.Result:
    return dgd.fit(given("X"), given(y or loss), loss=loss, tol=1e-13, **options)


@pytest.fixture(scope="module")
def model() -> Model:
    return fit().inference().model


@pytest.mark.parametrize("loss", ["ols", "logistic", "poisson"])
def test_as_statsmodels(loss: str) -> None:
    expected = reference()["cases"][loss]["prediction"]
    found = fit("squared" if loss == "ols" else loss).inference().model
    if loss == "logistic":
        predicted = found.predict_proba(given("new"), interval=0.9)
        close(predicted[:, 0, [0, 3, 2]], 1 - predicted[:, 1, [0, 2, 3]])
        predicted = predicted[:, 1]
    else:
        predicted = found.predict(given("new"), interval=0.9)
    close(
        predicted, np.column_stack([expected[name] for name in ("mean", "mean_se", "mean_ci_lower", "mean_ci_upper")])
    )
    if loss == "ols":
        own = found.predict(given("new"), interval=0.9, interval_of="observation")
        close(own[:, 2:], np.column_stack([expected["obs_ci_lower"], expected["obs_ci_upper"]]))
        close(own[:, 0], predicted[:, 0])


def test_of_classes_as_of_the_logistic_loss() -> None:
    two = fit("logistic").inference("HC0").model.predict_proba(given("new"), interval=0.9)
    soft = fit(Softmax(2), "logistic").inference("HC0").model.predict_proba(given("new"), interval=0.9)
    close(soft, two, 1e-7)
    three = dgd.fit(given("X"), given("groups") % 3, loss=Softmax(3)).inference().model
    found = three.predict_proba(given("new"), interval=0.99)
    assert found.shape == (5, 3, 4)
    close(found[..., 0].sum(axis=1), 1)
    assert ((found[..., 2] > 0) & (found[..., 2] < found[..., 0]) & (found[..., 0] < found[..., 3])).all()
    # The standard error against a numerical derivative of the probabilities.
    covariance = fit_covariance(three)
    base = np.concatenate([three.intercept[:, None], three.coef], axis=1).ravel()  # type: ignore[index]
    A = np.column_stack([np.ones(5), given("new")])

    def probabilities(theta: np.ndarray) -> np.ndarray:
        e = np.exp(A @ theta.reshape(3, 4).T)
        return e / e.sum(axis=1, keepdims=True)

    steps = 1e-6 * np.eye(12)
    J = np.stack([(probabilities(base + s) - probabilities(base - s)) / 2e-6 for s in steps], axis=-1)
    close(found[..., 1], np.sqrt(np.einsum("rki,ij,rkj->rk", J, covariance, J)), 1e-6)


def fit_covariance(model: Model) -> np.ndarray:
    assert model.uncertainty is not None
    root = model.uncertainty.user_root().reshape(12, -1)
    return np.asarray(root @ root.T)


def test_several_outputs_huber_and_no_intercept() -> None:
    targets = np.column_stack([given("squared"), given("huber")])
    together = dgd.fit(given("X"), targets).inference("HC3").model.predict(given("new"), interval=0.8)
    assert together.shape == (5, 2, 4)
    for k in range(2):
        alone = dgd.fit(given("X"), targets[:, k]).inference("HC3").model.predict(given("new"), interval=0.8)
        close(together[:, k], alone)
    result = fit(Huber(1.5), "huber", fit_intercept=False)
    inference = result.inference("HC1")
    found = inference.model.predict(given("new"), interval=0.8)
    new = given("new")
    close(found[:, 1], np.sqrt(np.einsum("ij,jk,ik->i", new, inference.covariance, new)))


def test_integers_far_from_zero_and_offsets() -> None:
    """Whole numbers near 1e16 are subtracted as such; an offset moves the prediction, not its error."""
    rng = np.random.default_rng(1)
    steps = rng.integers(-50, 50, (200, 2))
    y = steps @ [0.5, -1.0] + rng.normal(size=200)
    near = dgd.fit(steps, y).inference().model.predict(steps[:5], interval=0.9)
    far = dgd.fit(steps + 10**16, y).inference().model.predict(steps[:5] + 10**16, interval=0.9)
    close(far[:, 1], near[:, 1])
    moved = fit("poisson", offset=given("offset")).inference().model
    plain = moved.predict(given("X"), interval=0.9, offset=np.zeros(90))
    shifted = moved.predict(given("X"), interval=0.9, offset=np.ones(90))
    close(shifted, plain * np.e)


def test_saved_and_loaded(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "m.dgd"
    model.save(path)
    loaded = dgd.load_model(path)
    for options in ({"interval": 0.9}, {"interval": 0.5, "interval_of": "observation"}):
        assert np.array_equal(loaded.predict(given("new"), **options), model.predict(given("new"), **options))
    fit().model.save(tmp_path / "bare.dgd")
    assert json.loads((tmp_path / "bare.dgd" / DOCUMENT).read_text())["format"] == 2
    with pytest.raises(ModelError, match="--inference and --out"):
        dgd.load_model(tmp_path / "bare.dgd").predict(given("new"), interval=0.9)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cov": "HC7"}, "HC7"),
        ({"df": -1}, "not finite, or negative"),
        ({"df": "many"}, "'df' is a str"),
        ({"dispersion": [1.0, 2.0]}, "dispersions"),
        ({"dispersion": ["x"]}, "not a number"),
        ({"dispersion": [10**400]}, "not a number"),
        ({"more": 1}, "'more'"),
    ],
)
def test_a_covariance_that_was_not_written_by_dgd(
    change: dict[str, Any], words: str, model: Model, tmp_path: Path
) -> None:
    path = tmp_path / "m.dgd"
    model.save(path)
    document = json.loads((path / DOCUMENT).read_text())
    document["covariance"].update(change)
    document.pop("seal")
    document["seal"] = seal(document)
    (path / DOCUMENT).write_text(json.dumps(document))
    with pytest.raises(ModelError, match=words):
        dgd.load_model(path)


def test_a_result_and_an_inference_are_taken_for_their_models(tmp_path: Path) -> None:
    result = fit("poisson")
    inference = result.inference("HC3")
    np.testing.assert_array_equal(dgd.predict(result, given("new")), result.model.predict(given("new")))
    found = dgd.predict(inference, given("new"), interval=0.9)
    np.testing.assert_array_equal(found, inference.model.predict(given("new"), interval=0.9))
    dgd.predict_to(inference, given("new"), tmp_path / "predicted.csv", interval=0.9)
    assert (tmp_path / "predicted.csv").read_text().startswith("prediction,standard_error,lower,upper\n")
    assert dgd.score(result, given("X"), given("poisson")) == result.model.score(given("X"), given("poisson"))
    with pytest.raises(ModelError, match=r"a fit alone makes none.*result\.inference\(\)\.model"):
        dgd.predict(result, given("new"), interval=0.9)
    calls: Any = ((dgd.predict, ()), (dgd.predict_to, (tmp_path / "out",)), (dgd.score, ()))
    for call, rest in calls:
        with pytest.raises(ConfigurationError, match=r"must be a model, a result or an inference.*load_model"):
            call("model.dgd", given("new"), *rest)


def test_what_is_refused(model: Model) -> None:
    new = given("new")
    for options, words in [
        ({"interval": 95}, "below 1"),
        ({"interval_of": "observation"}, "goes with `interval=`"),
        ({"interval": 0.9, "interval_of": "row"}, "mean, observation"),
    ]:
        with pytest.raises(ConfigurationError, match=words):
            model.predict(new, **options)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="inference"):
        fit().model.predict(new, interval=0.9)
    with pytest.raises(ConfigurationError, match="squared loss"):
        fit("poisson").inference().model.predict(new, interval=0.9, interval_of="observation")
    classes = fit("logistic").inference()
    with pytest.raises(ConfigurationError, match=r"its probability has: `predict_proba\(\.\.\., interval=\.\.\.\)`"):
        classes.model.predict(new, interval=0.9)
    with pytest.raises(ConfigurationError, match="probabilities=True"):
        dgd.predict(classes, new, interval=0.9)


def test_missing_cells_have_no_interval(model: Model) -> None:
    holey = given("new")
    holey[1, 2] = np.nan
    found = model.predict(holey, interval=0.9, missing="drop")
    assert np.isnan(found[1]).all()
    kept = [0, 2, 3, 4]
    assert np.array_equal(found[kept], model.predict(holey[kept], interval=0.9))


def test_in_the_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`dgd fit --inference` prints the table and saves the covariance; `dgd predict --interval` uses it."""
    import zarr

    data, out = str(tmp_path / "d.zarr"), str(tmp_path / "m.dgd")
    with dgd.DatasetWriter(data, chunk_rows=40, feature_names=["dose", "age", "sex"]) as writer:
        writer.append(given("X"), given("squared"))
    zarr.create_array(f"{data}/site", data=given("groups"), chunks=(30,))
    expected = fit().inference("cluster", groups=given("groups"), conf=0.9)
    arguments = ["fit", data, "--quiet", "--inference", "--groups", "site", "--conf", "0.9"]
    assert main([*arguments, "--out", out]) == 0
    text = capsys.readouterr().out
    row = [line for line in text.splitlines() if line.startswith("dose")][-1]
    assert f"{expected.standard_errors[1]:.6g}" in row
    assert "cluster, 12 groups" in text
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["inference"]
    close([each["std_err"] for each in found["coefficients"]], expected.standard_errors)
    assert main(["predict", out, data, "--interval", "0.9"]) == 0
    rows = [[float(each) for each in line.split()] for line in capsys.readouterr().out.splitlines()]
    close(rows, expected.model.predict(given("X"), interval=0.9))
    stored = str(tmp_path / "p.zarr")
    assert main(["predict", out, data, "--interval", "0.9", "--out", stored]) == 0
    array = zarr.open_array(stored, mode="r")
    assert array.metadata.dimension_names == ("row", "statistic")  # type: ignore[union-attr]
    assert np.array_equal(array[:], np.array(rows))
    capsys.readouterr()
    assert main(["fit", data, "--quiet", "--inference", "--l2", "0.1"]) == 2
    assert "--penalized ignore" in capsys.readouterr().err
    assert main(["fit", data, "--quiet", "--cov", "HC1"]) == 2
    assert main(["fit", data, "--quiet", "--overwrite", "--out", out]) == 0
    assert main(["predict", out, data, "--interval", "0.9"]) != 0
    assert "--inference and --out" in capsys.readouterr().err
