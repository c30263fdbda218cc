"""Fakes and contracts, for whoever writes a dataset, an executor or a store for dgd, or tests code that uses them:
    MemoryChunks       arrays in memory as rows, in any chunks; counts reads
    CountingRows       counts the reads of any rows
    CountingExecutor   counts sweeps, folds among them, and the chunks they read
    FlakyExecutor      fails a certain sweep
    FaultySource       stored bytes that are not what was written; counts requests
    check_rows         whether rows keep the contract of `dgd.data.rows.Rows`
    check_table        whether a table keeps the contract of `dgd.data.design.columns.Table`
    check_executor     whether an executor keeps the contract of `dgd.passes.executor.Executor`

`dgd.testing.simulated_cluster` has a Dask cluster in one thread whose workers and scheduler fail from a seed.

A fake that is sent to another process is a copy, whose counts stay there.
"""

from dgd.testing.contracts import ContractError, check_executor, check_rows, check_table
from dgd.testing.executors import CountingExecutor, FlakyExecutor
from dgd.testing.rows import CountingRows, MemoryChunks
from dgd.testing.stores import Fault, FaultySource, dropped, flipped, truncated

__all__ = [
    "ContractError",
    "CountingExecutor",
    "CountingRows",
    "Fault",
    "FaultySource",
    "FlakyExecutor",
    "MemoryChunks",
    "check_executor",
    "check_rows",
    "check_table",
    "dropped",
    "flipped",
    "truncated",
]
