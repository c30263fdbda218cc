"""From a user's arguments to a result.

fit          `dgd.fit` and `dgd.plan`               arguments    checks of the arguments of a fit
problem      loss, penalty, solver and rows         auto_solver  which solver suits a problem, and why
loop         questions and steps until a fit ends   question     what one pass is to sum
objective    F and its gradient, one pass each      coordinates  standardising as a change of variables
epoch        mini-batches within a pass             split_sums   sums over the rows to fit and those held out
state        all that a fit needs to go on          record       what one pass found
result       what a fit returns                     coefficient_prox  the penalty's prox for the solver
free_scale   Huber's loss with its own scale        least_norm   the shortest of many solutions

verdict/     when a fit ends, how far from the optimum it can be, which columns are to blame
checkpoint/  what is kept of a fit, and how it is taken up
summary/     least squares from sums of products    many/        paths and cross-validation in the passes of one fit
report/      `dgd.report`: one HTML file                  plots/       displays with matplotlib
callbacks/   who hears of a fit: event files             beginning    what they hear before its first pass
inference/   the sums that standard errors are made of
"""
