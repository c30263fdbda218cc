"""Turns a path, a URL, a store or a zarr object into a source of bytes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import fsspec
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
from zarr import Array as ZarrArray
from zarr import Group as ZarrGroup
from zarr.abc.store import Store
from zarr.storage import FsspecStore, LocalStore, StorePath, ZipStore

from dgd.data.reading import is_url
from dgd.data.zarr.connections import reopened, usable
from dgd.data.zarr.secrets import secrets_in, without
from dgd.data.zarr.sources import LocalSource, Source, StoreSource
from dgd.data.zarr.zip_source import ZipSource
from dgd.errors import ConfigurationError, DatasetNotFoundError, ReadError
from dgd.errors.words import without_secrets

CONVERT = "turn a CSV table into one with `dgd ingest`"
FILES = {
    (".npy",): "in Python give the array, `numpy.load(path, mmap_mode='r')`; the shell reads a "
    "group of arrays X and y, as `zarr.save_group` writes it",
    (".npz",): "in Python give its arrays, `numpy.load(path)['…']`",
    (
        ".nc",
        ".nc4",
        ".cdf",
        ".grib",
        ".grb",
    ): "open it with xarray and give the Dataset, or write that with `.to_zarr()`",
    (".h5", ".hdf5", ".hdf"): "open it with h5py, and give its datasets",
    (".h5ad",): "open it with anndata, and write it with `.write_zarr()`",
    (".json",): "references of kerchunk are opened by the URL reference:// and the storage option fo",
}
"""What to do with a file that holds no Zarr, by how its name ends."""


def is_location(data: Any) -> bool:
    """Whether `data` says where a zarr array or group lies."""
    return isinstance(data, (str, os.PathLike, Store, StorePath, ZarrGroup, ZarrArray, fsspec.FSMap))


def source_of(location: Any, storage_options: Mapping[str, Any] | None = None) -> Source:
    """The source behind a path, a URL (with fsspec and these options), fsspec's mapper, or any object of zarr."""
    if isinstance(location, (ZarrGroup, ZarrArray)):
        location = location.store_path
    if isinstance(location, fsspec.FSMap):
        location = FsspecStore.from_mapper(location, read_only=True)
    if isinstance(location, StorePath):
        return _of_store(location.store, location.path)
    if isinstance(location, Store):
        return _of_store(location, "")
    text = os.fspath(location)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    if is_url(text):
        return StoreSource(remote_store(text, storage_options or {}))
    return _of_path(Path(text))


def _of_path(path: Path) -> Source:
    try:
        path = path.expanduser().absolute()
        found, is_file = path.exists(), path.is_file()
    except OSError as error:
        raise ReadError(f"{path} cannot be read: {error.strerror}; check the path and its permissions") from error
    except RuntimeError:  # "~name/…", and there is no such person
        found = is_file = False
    if not found:
        raise DatasetNotFoundError(f"nothing is at {path}; check the path")
    if is_file and path.suffix == ".zip":
        return ZipSource(path)
    if is_file and path.suffix == ".zarr" and is_zipfile(path):
        return ZipSource(path)
    if is_file:
        hint = next((hint for suffixes, hint in FILES.items() if path.name.lower().endswith(suffixes)), CONVERT)
        raise DatasetNotFoundError(f"{path} is a file, expected the folder of a Zarr group or array; {hint}")
    return LocalSource(path)


def _of_store(store: Store, path: str) -> Source:
    # A subclass may read in its own way; only zarr's own classes are known to be plain files.
    if type(store) is LocalStore:
        return LocalSource(Path(store.root).absolute() / path)
    if type(store) is ZipStore and store.read_only:
        return ZipSource(Path(store.path).absolute(), path)
    if isinstance(store, FsspecStore):
        store = reopened(store.with_read_only(True))
    return StoreSource(store, path)


def remote_store(url: str, options: Mapping[str, Any], *, read_only: bool = True) -> Store:
    """The store behind a URL. Neither the error nor its cause tells a secret of the URL, or of fsspec's options."""
    told = without_secrets(url)
    try:
        if "::" in url:
            return _in_threads(url, options, read_only)
        return usable(FsspecStore.from_url(url, storage_options=dict(options), read_only=read_only))
    except Exception as error:
        # The text of a URL with a secret in it may hold the secret anywhere.
        secrets = secrets_in(options)
        reason = type(error).__name__ if told != url else without(secrets, str(error))
        cause = None if told != url or secrets else error
        reason += f", with the storage options {', '.join(options)}" if options else ""
        if isinstance(error, ImportError):
            raise ConfigurationError(
                f"{told} needs fsspec and the package of its protocol: {reason}; install them, or pass a zarr store"
            ) from cause
        if isinstance(error, FileNotFoundError):
            raise DatasetNotFoundError(f"nothing is at {told} ({reason}); check the URL") from cause
        if isinstance(error, OSError):
            raise ReadError(f"{told} cannot be opened ({reason}); check the store, then try again") from cause
        raise ConfigurationError(f"{told} cannot be opened: {reason}; check the URL") from cause


def _in_threads(url: str, options: Mapping[str, Any], read_only: bool) -> Store:
    """The store behind chained URLs, such as `simplecache::https://…`.

    A file system around another one says that it is asynchronous if the other is, and cannot be used so.
    """
    fs, path = fsspec.core.url_to_fs(url, **options)
    return FsspecStore(AsyncFileSystemWrapper(fs, asynchronous=True), read_only=read_only, path=path)
