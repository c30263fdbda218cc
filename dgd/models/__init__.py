"""What comes out of a fit, and what it is used for.

predictor  coefficients as a value      model  the same with predict, score and save
predict    predictions in one pass      score  errors in one pass      files  a model on disk
inference/ standard errors, tests and intervals
"""
