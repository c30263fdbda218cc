"""Spark ML, local[2], from Parquet; the session is there before the clock starts, and has fitted once.

Each limit of iterations is a whole fit, which reads the file.
"""

from __future__ import annotations

from typing import Any

from columns import PARQUET, write_parquet
from course import FOLDER, SETTINGS, Course, by_limits, tell


def main() -> None:
    if SETTINGS.get("prepare"):
        write_parquet()
        return
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", SETTINGS["memory"])
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.local.dir", str(FOLDER))
        .config("spark.sql.warehouse.dir", str(FOLDER))
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    facts = Course().objective

    def fit(limit: int, rows: int | None = None) -> tuple[Any, Any]:
        from pyspark.ml.feature import VectorAssembler

        read = session.read.parquet(str(PARQUET))
        read = read.limit(rows) if rows else read
        names = [name for name in read.columns if name != "y"]
        frame = VectorAssembler(inputCols=names, outputCol="features").transform(read).select("features", "y")
        model = estimator(facts, limit).fit(frame)
        if facts.loss == "softmax":
            return model.coefficientMatrix.toArray(), model.interceptVector.toArray()
        return model.coefficients.toArray(), model.intercept

    fit(1, 10_000)
    course = Course()
    if SETTINGS["solver"] == "normal":
        course.add(*fit(1), last=True)
        tell(course.answer())
    else:
        tell(by_limits(course, fit))
    session.stop()


def estimator(facts: Any, limit: int) -> Any:
    """The estimator of the loss, with no tolerance that ends it sooner."""
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.regression import GeneralizedLinearRegression, LinearRegression

    common = {"labelCol": "y", "maxIter": limit, "regParam": facts.l2}
    if facts.loss == "squared":
        return LinearRegression(solver=SETTINGS["solver"], tol=1e-14, standardization=False, **common)
    if facts.loss == "poisson":
        return GeneralizedLinearRegression(family="poisson", link="log", tol=1e-14, **common)
    family = "multinomial" if facts.loss == "softmax" else "binomial"
    return LogisticRegression(family=family, tol=1e-14, standardization=False, **common)


if __name__ == "__main__":
    main()
