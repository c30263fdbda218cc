"""Codecs, dtypes and layouts are held to allow-lists before anything is decoded; nothing dgd reads can run code."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from foreign import SHARDED, V2, V3, document, edit, sweep
from formats import Format, write

from dgd.errors import MetadataError, UnsupportedFormatError


class Payload:
    """What a pickle codec would run."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


@pytest.mark.parametrize(
    "codec", ["pickle", "vlen-utf8", "vlen-bytes", "json2", "msgpack2", "categorize", "base64", "evil"]
)
@pytest.mark.parametrize("form", [V2, V3, SHARDED], ids=str)
def test_codecs_are_allowed_by_name_before_anything_is_decoded(codec: str, form: Format, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write(path, form)
    for file in (path / "X").rglob("*"):
        if file.is_file() and file != document(path) and file.name != ".zattrs":
            file.write_bytes(pickle.dumps(Payload(tmp_path / "it ran")))
    if form is V2:
        edit(path, compressor={"id": codec})
    else:
        codecs = json.loads(document(path).read_text())["codecs"]
        inner = codecs[0]["configuration"]["codecs"] if form is SHARDED else codecs
        inner.append({"name": f"numcodecs.{codec}", "configuration": {}})
        edit(path, codecs=codecs)
    with pytest.raises(UnsupportedFormatError, match=codec) as caught:
        sweep(path)
    assert caught.value.array == "X"
    assert "expected one of" in str(caught.value)
    assert "rewrite the array" in str(caught.value)
    assert not (tmp_path / "it ran").exists()


@pytest.mark.each(1)
@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ([{"id": "pickle"}], "is stored with codec 'pickle'"),
        ([{"id": "categorize", "labels": ["a"], "dtype": "|O"}], "is stored with codec 'categorize'"),
        ([{"id": "zstd"}], "is compressed twice"),
        ([[]], "is stored with codec"),
        ([7], "is stored with codec"),
    ],
)
def test_filters_of_format_2_are_allowed_by_name(filters: list[Any], words: str, tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", V2)
    edit(tmp_path / "a.zarr", filters=filters)
    with pytest.raises(UnsupportedFormatError, match=f"array 'X' {words}"):
        sweep(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    "dtype",
    ["|O", "<c16", "<c8", "<M8[ns]", "<U5", "|S3", "<f16", "f8,f8", "(3,)<f8", "float", [["a", "<f8"]], 8, None],
)
def test_dtypes_of_format_2(dtype: Any, tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", V2)
    edit(tmp_path / "a.zarr", dtype=dtype)
    with pytest.raises(UnsupportedFormatError, match=r"array 'X' has dtype .* convert it before fitting") as caught:
        sweep(tmp_path / "a.zarr")
    assert caught.value.array == "X"


@pytest.mark.parametrize(
    "dtype",
    ["complex64", "complex128", "string", "r16", "float128", "bytes", "int4", {"name": "struct"}, None, ["int8"]],
)
def test_dtypes_of_format_3(dtype: Any, tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", V3)
    edit(tmp_path / "a.zarr", data_type=dtype)
    with pytest.raises(UnsupportedFormatError, match=r"array 'X' has dtype .* convert it before fitting") as caught:
        sweep(tmp_path / "a.zarr")
    assert caught.value.array == "X"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"storage_transformers": [{"name": "x"}]}, "storage transformer"),
        ({"chunk_grid": {"name": "rectangular"}}, "chunk grid"),
        ({"chunk_key_encoding": {"name": "fancy"}}, "chunk keys of kind 'fancy'"),
        ({"something_new": {"must_understand": True}}, "extension 'something_new'"),
        ({"something_new": 7}, "extension 'something_new'"),
        ({"shape": [10**12, 5], "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 5]}}}, "chunks"),
        ({"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2**50, 5]}}}, "1 TiB"),
    ],
)
def test_layouts_that_are_not_read(changes: dict[str, Any], what: str, tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", V3)
    edit(tmp_path / "a.zarr", **changes)
    with pytest.raises(UnsupportedFormatError, match=what):
        sweep(tmp_path / "a.zarr")


def test_an_extension_that_need_not_be_understood_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", V3)
    before = sweep(tmp_path / "a.zarr")
    edit(tmp_path / "a.zarr", something_new={"must_understand": False})
    assert sweep(tmp_path / "a.zarr") == before


@pytest.mark.parametrize(
    ("codecs", "what"),
    [
        (["transpose", "bytes", "gzip", "zstd"], "compressed twice"),
        (["bytes", "transpose"], "codec 'transpose'"),
        (["bytes", "numcodecs.delta"], "codec 'delta after bytes'"),
        (["numcodecs.shuffle", "bytes"], "codec 'numcodecs.shuffle'"),
        (["numcodecs.pickle", "bytes"], "codec 'numcodecs.pickle'"),
        (["bytes", "sharding_indexed"], "codec 'sharding_indexed'"),
        (["vlen-bytes"], "codec 'vlen-bytes'"),
        (["sharding_indexed", "numcodecs.shuffle"], "codec 'shuffle around shards'"),
        (["numcodecs.delta", "sharding_indexed"], "'delta' before its shards"),
    ],
)
def test_codec_chains_that_are_not_read(codecs: list[str], what: str, tmp_path: Path) -> None:
    configuration: dict[str, Any] = {
        "transpose": {"order": [1, 0]},
        "bytes": {"endian": "little"},
        "sharding_indexed": {
            "chunk_shape": [2, 5],
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        },
    }
    index = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    configuration["sharding_indexed"]["index_codecs"] = index
    write(tmp_path / "a.zarr", V3)
    edit(tmp_path / "a.zarr", codecs=[{"name": n, "configuration": configuration.get(n, {})} for n in codecs])
    with pytest.raises(UnsupportedFormatError, match=what):
        sweep(tmp_path / "a.zarr")


def test_byte_order_must_be_said(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", Format(3, False, "none", "C"))
    edit(tmp_path / "a.zarr", codecs=[{"name": "bytes"}])
    with pytest.raises(MetadataError, match="endian is None"):
        sweep(tmp_path / "a.zarr")
    write(tmp_path / "b.zarr", Format(3, False, "none", "C", dtype="int8"))
    before = sweep(tmp_path / "b.zarr")
    edit(tmp_path / "b.zarr", codecs=[{"name": "bytes"}])
    assert sweep(tmp_path / "b.zarr") == before
