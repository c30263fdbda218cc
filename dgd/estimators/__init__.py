"""scikit-learn's estimators on dgd's engine: the same names and objectives, on data that need not fit in memory.

    from dgd.estimators import Ridge, ZarrDesign
    design = ZarrDesign("train.zarr")
    cross_val_score(Ridge(alpha=1.0), design, design.y())

X is what scikit-learn takes (NumPy, lists, pandas, scipy's sparse matrices), fitted in this process, or something lazy
that is read chunk by chunk: a path or group of Zarr, a Dask array, a `dgd.Dataset`, a `ZarrDesign`.
A lazy fit runs where `dgd.fit` would: on the active Dask client, else on threads.

base         fit, from input to attributes        callbacks     scikit-learn's callbacks, if it has them
regression   predict and score of a number        inputs        what X and y are, and how they are opened
log_link_regression  the same of counts and amounts        classification  of classes
design       ZarrDesign                           chunk_kfold   ChunkKFold
cv_folds     what `cv` stands for                 summary_solve  fits from a summary
partial_summaries  partial_fit of least squares  class_factors  class_weight
offsets      what is added to raw predictions
to_sklearn   a model as scikit-learn's own      sparse_regression  what lasso and elastic net share
sklearn_names  scikit-learn's solvers, and parameters without effect
penalty_names, gram_argument  its `penalty` and `precompute`
dual_gap     how far an elastic net may be from its minimum
and one file for each estimator. The only folder that imports scikit-learn.
"""

from __future__ import annotations

from dgd.estimators.chunk_kfold import ChunkKFold
from dgd.estimators.design import ZarrDesign
from dgd.estimators.gamma_regressor import GammaRegressor
from dgd.estimators.huber_regressor import HuberRegressor
from dgd.estimators.lasso import ElasticNet, Lasso
from dgd.estimators.lasso_cv import ElasticNetCV, LassoCV
from dgd.estimators.linear_regression import LinearRegression
from dgd.estimators.linear_svc import LinearSVC
from dgd.estimators.linear_svr import LinearSVR
from dgd.estimators.logistic_regression import LogisticRegression
from dgd.estimators.logistic_regression_cv import LogisticRegressionCV
from dgd.estimators.poisson_regressor import PoissonRegressor
from dgd.estimators.quantile_regressor import QuantileRegressor
from dgd.estimators.ridge import Ridge
from dgd.estimators.ridge_cv import RidgeCV
from dgd.estimators.to_sklearn import to_sklearn
from dgd.estimators.tweedie_regressor import TweedieRegressor

__all__ = [
    "ChunkKFold",
    "ElasticNet",
    "ElasticNetCV",
    "GammaRegressor",
    "HuberRegressor",
    "Lasso",
    "LassoCV",
    "LinearRegression",
    "LinearSVC",
    "LinearSVR",
    "LogisticRegression",
    "LogisticRegressionCV",
    "PoissonRegressor",
    "QuantileRegressor",
    "Ridge",
    "RidgeCV",
    "TweedieRegressor",
    "ZarrDesign",
    "to_sklearn",
]
