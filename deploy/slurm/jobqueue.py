#!/usr/bin/env python3
# fmt: off
#SBATCH --job-name=dgd
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=04:00:00
#SBATCH --output=dgd-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@180
# fmt: on
"""A fit whose workers are jobs of their own, which dask-jobqueue submits: `sbatch jobqueue.py`.

This job holds the scheduler and the fit, and needs one processor. 180 s before its --time is over it gets USR1: the fit
ends its pass and writes a checkpoint, and the job is queued again to go on from there.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import dask
from dask_jobqueue.slurm import SLURMCluster

from dgd.cli import main as dgd

DATA = "/data/train.zarr"  # where every node sees it
WORKERS = 4  # jobs
THREADS = 2  # of each
MEMORY = "4GiB"  # of each: 1.5 × what `dgd plan` says
WALLTIME = "01:00:00"  # of each; one that ends is replaced
LIFETIME = "54m"  # a little less: a worker leaves by itself, and loses nothing
FIT_OPTIONS = ""  # such as "--loss logistic --l2 0.1"
JOB = os.environ.get("SLURM_JOB_ID", "here")
MODEL = Path(os.environ.get("MODEL", f"dgd-{JOB}.dgd")).absolute()
CHECKPOINT = Path(os.environ.get("CHECKPOINT", f"dgd-{JOB}.ckpt")).absolute()

# By TLS if Dask is configured so: `source certificates/dask.env` before sbatch; see deploy/tls.
ENCRYPTED = bool(dask.config.get("distributed.comm.require-encryption"))
STOPPED = 75


def fit(scheduler: str) -> int:
    """Begin, or go on from the checkpoint; the exit code of `dgd`."""
    where = ["--scheduler", scheduler, "--out", str(MODEL), *(["--require-tls"] if ENCRYPTED else [])]
    if CHECKPOINT.exists():
        print(f"goes on from {CHECKPOINT}", flush=True)
        return dgd(["resume", str(CHECKPOINT), "--overwrite", *where])
    return dgd(["fit", DATA, *shlex.split(FIT_OPTIONS), "--checkpoint", str(CHECKPOINT), *where])


def main() -> int:
    """0 when the model is there."""
    with SLURMCluster(
        cores=THREADS,
        processes=1,
        memory=MEMORY,
        walltime=WALLTIME,
        protocol="tls://" if ENCRYPTED else "tcp://",
        scheduler_options={"dashboard_address": "127.0.0.1:0"},
        worker_extra_args=["--lifetime", LIFETIME, "--lifetime-stagger", "2m", "--dashboard-address", "127.0.0.1:0"],
        worker_command="dask worker",
        log_directory="logs",
    ) as cluster:
        cluster.adapt(minimum=WORKERS, maximum=WORKERS)
        began = CHECKPOINT.stat().st_mtime_ns if CHECKPOINT.exists() else 0
        status = fit(cluster.scheduler_address)
    if status == 0:
        print(f"done: {MODEL}", flush=True)
    elif status == STOPPED and JOB != "here" and CHECKPOINT.stat().st_mtime_ns > began:
        print("its time is over; it is queued again, and goes on from its checkpoint", flush=True)
        subprocess.run(["scontrol", "requeue", JOB], check=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
