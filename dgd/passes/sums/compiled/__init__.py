"""Sums by machine code of numba, the extra `fast`: large dense data, one output or a softmax, the commonest losses.

`use` says which passes it is worth loading for and `compiler` what this process would make it with; `rows` calls the
loops of `kernel`, for one output, of `few_classes` and of `classes`, once `halves` has made float32 of float16.
Without numba, and for everything else, sums are those of NumPy and BLAS.
"""
