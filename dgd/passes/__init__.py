"""One pass over the data: what is summed, in which order, by whom, and at what cost.

executor   the protocol, and the one in the calling thread   threads   on a pool of threads
cluster/   on Dask workers                                   choose    which of them
execution  where to run, as a user says it                   session   choose, plan, check, read ahead, passes, close
plan       what passes will cost                             pace      how fast they will be
tree       in which order sums are added                     blas      one BLAS thread while chunks are summed
memory     what this machine has                             sums/     what is summed over the rows of a chunk
"""
