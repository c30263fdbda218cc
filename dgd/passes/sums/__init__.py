"""What is summed over the rows of a chunk.

blocks    the loop over micro-blocks      row_sums  the parts of a pass, summed together
gradient  loss and gradient               hessian   second derivatives
moments   means and variances             loss      the loss alone
residuals likelihood and dispersion       sandwich  scores by row or group
hessian_product  the Hessian times vectors
bad_rows  which row made a sum NaN
"""
