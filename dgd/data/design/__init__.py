"""From the columns of a table to the columns of X: numbers, categories, dates, polynomials, splines, interactions.

columns  what a table is, and some rows of it       design   terms that are read in one pass, and the X they make
terms/   one kind of term a file                    formula  `y ~ a + C(b) + poly(c, 2)`
coding   which level a category leaves out          choosing which terms a table has where nobody says it
rows     X, and a target, as rows over a table      opening  a table as a dataset
"""
