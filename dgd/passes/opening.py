"""`dgd.open_dataset`: data as a dataset, with the pass that a design may need."""

from __future__ import annotations

from typing import Any, Unpack

from dgd.data.dataset import Dataset
from dgd.data.opening import open_data
from dgd.data.reading import Reading, ReadingOptions
from dgd.passes.execution import Execution, execution_of
from dgd.passes.learning import learning


def open_dataset(
    data: Any,
    y: Any = None,
    *,
    weight: Any = None,
    offset: Any = None,
    client: Any = None,
    threads: int | None = None,
    execution: Execution | None = None,
    **reading: Unpack[ReadingOptions],
) -> Dataset:
    """Open X, y and perhaps weights and offsets as one dataset; only metadata are read, of a table levels too.

    data: the path or URL of a Zarr group with arrays `X` and `y`, a zarr group or store, a `dgd.Dataset`, or X itself:
    a NumPy, Dask or zarr array, or the path of one; a DataFrame of pandas or Dask, whose columns name the features
    (Dask's is read partition by partition, and the partitions' lengths are counted here); a sparse matrix of scipy, or
    a Dask array of such blocks; an Arrow table, or of any library that hands out Arrow's streams; an open
    `h5py.Dataset`, read by rows; a tensor on the CPU; an `anndata.AnnData`, whose parts have the names of its store.
    Any other array is loaded, up to 64 MiB where it is not in memory already. Parquet files, a directory of them, a
    list or a pattern, are read in place, row group by row group.
    Of a table (Parquet, a DataFrame, an Arrow table) y, weight and offset are columns, or arithmetic on some such as
    "log(exposure)", and X is `features`, or all others. Text is a category: a column for each level but the first, as
    codes. Levels, means, boundaries and orthogonal polynomials take one pass over the columns that need it, on
    `client`, `threads` or `execution`, unless the `design` says them.
    drop (None), categorical (None): columns of a table that are no feature, and such that are categories, whatever they
    hold. design (None): a formula, "y ~ a + C(b) + poly(c, 2)", or a `dgd.Design`, instead of these and `features`.
    A list of locations, or a pattern of paths ("year-*.zarr", in sorted order), is one dataset, one below the other.
    y, weight, offset: the array's name in the group (y: "y" by default; the others: those that an ingest was told of,
    False for none), or that of the column it came from, an absolute path or URL, or the array itself; weight has shape
    (m,), y and offset (m,) or (m, q); an offset may be one number. Where y holds classes, its labels may be strings or
    categories.
    decode (True): whether stored arrays are read as what their attributes and dimension names say, as xarray does:
    `scale_factor`, `add_offset`, `_FillValue`, `missing_value`, `_Unsigned`, `valid_range`, `flag_values`; X is
    transposed where its second dimension is that of y. False: the numbers as they are stored.
    time_unit (None): "days", "hours", …, in which times are numbers since 1970-01-01; None: they are refused.
    missing ("error"): "drop" leaves out rows with a missing cell (NaN, or no label) in X, y, weight or offset, as if
    their weight were 0; they are counted. Of a table "mean" fills numbers by the mean of the others, weights do not
    count, and "indicator" has a column that says so beside; a missing category is then a level; rows without y, weight,
    offset or what is no plain number are left out.
    missing_chunks ("error"): "fill" takes a stored chunk that is not there as the array's fill value, as zarr does, and
    counts it; what dgd wrote has all its chunks, and lacks none unless it is damaged.
    X ("X"): the name of the matrix in the group, such as "layers/counts" of an AnnData store, whose sparse matrices,
    categories ("obs/cell_type") and columns with a mask are read as what they are.
    features (None): names. Of X the columns that are called so; "X" itself is all of them, and an array beside it, such
    as "obs/n_counts", one more: ["X", "obs/age"]. Where there is no X, the variables of a group or of an xarray
    Dataset. Variables may have any number of dimensions: a row is a cell of all dimensions of y, in C order, and a
    variable that lacks some of them is repeated along them.
    transpose (False): whether a stored X is feature × row, as genotypes and expressions mostly are.
    split (None): which part of the rows is read, nothing is copied: "train:0.8:1" is eight tenths of them, by a hash of
    each row's number with the seed 1, and "test:0.8:1" the others; "train:0.8:1:key" takes rows with the same value in
    a column or array `key` together, which is read once. The same rows on any machine, however they are stored. Rows
    are then counted within the part. For predictions and scores "test" alone is the part that the model was not fitted
    on.
    storage_options (None): what fsspec needs to open URLs, as a dictionary: {"anon": True}, a profile, an endpoint.
    They appear in no error, plan or model.

    Raises DatasetNotFoundError, IncompleteDatasetError, MetadataError, UnsupportedFormatError or SchemaError, all of
    them DataError, and ConfigurationError for arguments that do not go together.
    """
    where = execution_of(execution, client, threads)
    how = Reading.of("open_dataset", reading)
    return open_data(data, y, weight, offset, need_target=True, reading=how, learn=learning(where))
