"""Loss and gradient by machine code of numba, the extra `fast`: large dense data, one output, the commonest losses.

`use` says which passes take it and `compiler` what this process would make it with; `rows` calls the loop of `kernel`.
Without numba, and for everything else, sums are those of NumPy and BLAS.
"""
