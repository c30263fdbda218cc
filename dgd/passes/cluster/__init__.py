"""Passes on a Dask cluster; the only place that imports dask.distributed.

executor  passes as graphs        graph  the tasks of one pass        tasks  the functions that workers run
connection  a client of a scheduler    local  a cluster of processes on this machine
"""
