"""Plots with matplotlib, in the manner of scikit-learn's displays: `pip install 'dgd[plots]'`.

PassesDisplay        from_result, from_events    loss and gradient by pass or by second
CoefficientsDisplay  from_result, from_model     the largest coefficients, with intervals where they are known
ResidualsDisplay     from_model                  the residuals of rows, and the mean target by prediction

A display holds the numbers; `plot(ax=...)` draws them again, and leaves `ax_` and `figure_`.
"""

from dgd.fitting.plots.coefficients import CoefficientsDisplay
from dgd.fitting.plots.passes import PassesDisplay
from dgd.fitting.plots.residuals import ResidualsDisplay

__all__ = ["CoefficientsDisplay", "PassesDisplay", "ResidualsDisplay"]
