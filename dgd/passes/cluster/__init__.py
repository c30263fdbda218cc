"""Passes on a Dask cluster; the only place that imports dask.distributed."""
