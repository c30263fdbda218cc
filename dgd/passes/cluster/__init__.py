"""Passes on a Dask cluster; the only place that imports dask.distributed.

executor  passes as graphs        graph  the tasks of one pass        tasks  the functions that workers run
client  which client may be used      connection  to a scheduler    workers  who is there, and waiting for them
encryption  of the way to a scheduler    certificates  for it
news  small messages to the scheduler    pages  on its HTTP server, of what it is told
handshake  who is fit for work        software  what a process computes with
resources  what they have, for the plan    pass_clock  how long a pass takes, and may take
local  a cluster of processes on this machine
"""
