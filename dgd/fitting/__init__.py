"""From a user's arguments to a result.

fit        `dgd.fit` and `dgd.plan`                    arguments   what an argument may be, and else an error
problem    loss, penalty, solver and rows of one fit   auto_solver which solver suits a problem, and why
loop       passes and steps until a fit ends           objective   the objective and its gradient, one pass each
record     what one pass found                         result      what a fit returns
"""
