"""From a user's arguments to a result.

fit          `dgd.fit` and `dgd.plan`               arguments    checks of the arguments of a fit
problem      loss, penalty, solver and rows         auto_solver  which solver suits a problem, and why
loop         passes and steps until a fit ends      stopping     when that is
objective    F and its gradient, one pass each      coordinates  standardising as a change of variables
epoch        mini-batches within a pass             split_sums   sums over the rows to fit and those held out
state        all that a fit needs to go on          record       what one pass found
result       what a fit returns                     certificate  how far it can be from the optimum
divergence   which columns are to blame             coefficient_prox  the penalty's prox for the solver
free_scale   Huber's loss with its own scale        least_norm   the shortest of many solutions
"""
