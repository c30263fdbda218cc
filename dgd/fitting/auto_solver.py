"""Which solver: what `solver="auto"` takes and why, and which combinations cannot work.

    quadratic (squared)              summary    while its p × p matrix is small: 1 pass, or 2 where rounding of sums
                                                would matter, whatever the scales, the penalty, the number of targets;
                                                of an R factor where the condition would cost digits (`hand_over`)
                                     cg         beyond: at most p passes in exact arithmetic, often far fewer; where
                                                they crawl by the Hessian of a sample (`sampled.metric`): about 20
    smooth, not quadratic            newton     while p is small: about 8 passes
                                     quasi-newton  while one Hessian is cheaper than the passes it saves: about 10
                                     lbfgs      beyond; where it crawls by the Hessian of a sample: about 15. For many
                                                outputs, and for huber, whose curvature vanishes far from the data, by
                                                the products of a sample's columns (`sampled.columns`): 10 to 30
    with l1 or bounds                newton     where it would be without: the model with l1 and bounds is minimised
                                                on the driver, between passes, so that there are no more of them
                                     quasi-newton  likewise, about 10
                                     fista      beyond, and for huber: the accelerated method with a prox; where it
                                                crawls, quasi-newton by what a sample says likewise: about 15, of
                                                many outputs 20 to 60

The cost of a method is its passes; summing a Hessian makes a pass slower by about p/100 from memory, less from disk.
"""

from __future__ import annotations

from dataclasses import dataclass

from dgd.errors import ConfigurationError
from dgd.losses import Loss, Squared
from dgd.penalties import Penalty
from dgd.penalties.parts import differs_by_output, penalises_intercept
from dgd.solvers import Solver

NEWTON_QUADRATIC = 1000
"""The most parameters for which one pass with a Hessian is cheaper than the passes of cg."""
NEWTON_SMOOTH = 300
"""The same for several passes, against quasi-newton."""
QUASI_NEWTON = 1000
"""The same for one pass of several, against lbfgs, whose passes grow with the condition of the columns."""
ONE_PASS = "from centred products, 1 pass; 2 where rounding of them would matter"
NO_KINKS = "it is not known to be l1 and bounds"
NEWTON_MOST = 2048
"""The most parameters for which a Hessian is summed at all: 32 MiB for each sum held."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A solver's name, and why it is that one."""

    name: str
    because: str
    automatic: bool = False
    """Whether nobody asked for it by name."""

    def __str__(self) -> str:
        return f"solver {self.name}: {self.because}"


def choose(loss: Loss, penalty: Penalty, n_parameters: int, learning_rate: object, outputs: int = 1) -> Choice:
    """The solver that `solver="auto"` stands for."""
    shares = not differs_by_output(penalty)
    n_parameters = _of_hessian(loss, n_parameters, outputs if shares else 1)
    p = f"{n_parameters:,} parameter{'s' * (n_parameters != 1)}"
    if loss.quadratic and outputs > 1 and shares:
        p += f" for each of {outputs:,} outputs"
    if learning_rate != "auto":
        return Choice("gd", "a learning rate was given, and it is gradient descent that has one")
    small = n_parameters <= (NEWTON_QUADRATIC if loss.quadratic else NEWTON_SMOOTH)
    by_products = shares and not penalises_intercept(penalty)
    if small and by_products and isinstance(loss, Squared) and (penalty.is_smooth or penalty.has_kinks):
        return Choice("summary", f"{loss.name} loss, {p}: {ONE_PASS}")
    few = small or (not loss.quadratic and n_parameters <= QUASI_NEWTON)
    if not penalty.is_smooth and (not few or loss.curvature_vanishes or not penalty.has_kinks):
        cause = f"{p} are too many for a Hessian"
        if few:
            cause = f"{loss.name}'s curvature vanishes far from the data" if loss.curvature_vanishes else NO_KINKS
        return Choice("fista", f"the penalty {penalty.name!r} needs a prox, and {cause}; accelerated, with restarts")
    if loss.quadratic:
        if small:
            return Choice("newton", f"{loss.name} loss, {p}: the Hessian is summed in the first pass; 2 passes")
        return Choice("cg", f"{loss.name} loss, {p}: too many for a Hessian; conjugate gradients, a pass a step")
    if loss.curvature_vanishes:
        return Choice("lbfgs", f"{loss.name} loss: its curvature vanishes far from the data, where Newton steps fail")
    if small:
        return Choice("newton", f"{loss.name} loss, {p}: the Hessian is summed in the same pass; about 8 passes")
    if n_parameters <= QUASI_NEWTON:
        return Choice("quasi-newton", f"{loss.name} loss, {p}: a Hessian in the first pass alone; about 10 passes")
    return Choice("lbfgs", f"{loss.name} loss, {p}: too many for a Hessian; a pass a step")


def _of_hessian(loss: Loss, n_parameters: int, outputs: int) -> int:
    """The rows of the Hessian: that of a quadratic is one for all outputs."""
    return n_parameters // outputs if loss.quadratic else n_parameters


def check_method(solver: Solver, loss: Loss, penalty: Penalty, n_parameters: int, outputs: int = 1) -> None:
    """Raise ConfigurationError if the solver cannot work with that loss and penalty."""
    shares = not differs_by_output(penalty)
    n_parameters = _of_hessian(loss, n_parameters, outputs if shares else 1)
    asked = f"`fit({solver.argument})`"
    if solver.smooth_only and not penalty.is_smooth:
        raise ConfigurationError(
            f"{asked} cannot work with the penalty {penalty.name!r}, which has no gradient at its kinks or bounds; use "
            f"solver='fista', or a penalty of dgd.penalties.L2"
        )
    if solver.wants_products and isinstance(loss, Squared) and not (shares and not penalises_intercept(penalty)):
        raise ConfigurationError(
            f"{asked} sums centred products, from which a penalty of the intercept or one that differs between outputs "
            f"does not follow; use solver='newton'"
        )
    if solver.wants_kinks and not penalty.is_smooth and not penalty.has_kinks:
        raise ConfigurationError(
            f"{asked} cannot work with the penalty {penalty.name!r}: {NO_KINKS}; use solver='fista'"
        )
    if solver.quadratic_only and not loss.quadratic:
        raise ConfigurationError(
            f"{asked} cannot work with the loss {loss.name!r}: it takes steps that are exact for the squared loss "
            f"alone; use {solver.for_other_losses}"
        )
    if solver.wants_hessian and n_parameters > NEWTON_MOST:
        hint = "fista" if not penalty.is_smooth else "cg" if loss.quadratic else "lbfgs"
        raise ConfigurationError(
            f"{asked} sums a Hessian of {n_parameters:,} × {n_parameters:,} numbers, and at most {NEWTON_MOST:,} "
            f"parameters are allowed for; use solver={hint!r}"
        )
