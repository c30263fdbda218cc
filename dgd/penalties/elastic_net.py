"""The elastic net: absolute values and squares together, so that correlated features enter as a group.

    penalty     Σ l1ⱼ |bⱼ| + ½ Σ l2ⱼ bⱼ²

The objective is mean loss + penalty, and the mean squared loss is the MSE, 1/m Σ (ŷ − y)² without a ½. Others halve it,
or leave the sum undivided; their strengths, for m rows without weights and coefficients as they are, become:

    scikit-learn Ridge(alpha=a)                               l1 = 0         l2 = 2a/m
    scikit-learn Lasso(alpha=a)                               l1 = 2a        l2 = 0
    scikit-learn ElasticNet(alpha=a, l1_ratio=ρ)              l1 = 2aρ       l2 = 2a(1 − ρ)
    glmnet(lambda=a, alpha=ρ, standardize=FALSE)              l1 = 2aρ       l2 = 2a(1 − ρ)/sd(y)
    Spark regParam=a, elasticNetParam=ρ, standardization=False    as glmnet

glmnet and Spark divide y by its standard deviation first, which leaves l1 alone and not l2. The losses that are a
negative log-likelihood have no ½ to convert: l1 = aρ and l2 = a(1 − ρ), and scikit-learn's LogisticRegression(C=c) is
l2 = 1/(c·m).

Zou and Hastie (2005), Regularization and variable selection via the elastic net.
"""

from __future__ import annotations

from dgd.penalties.separable import Separable
from dgd.penalties.strengths import Numbers


class ElasticNet(Separable):
    """Σ l1ⱼ |bⱼ| + ½ Σ l2ⱼ bⱼ²; each strength is one number, one per feature, or (q, n) for q outputs or classes.

    intercept: a penalty of its own for the intercept, such as L2(0.1).
    """

    name = "elastic_net"
    arguments = ("l1", "l2")

    def __init__(self, *, l1: Numbers, l2: Numbers, intercept: Separable | None = None) -> None:
        super().__init__(l1=l1, l2=l2, intercept=intercept)
