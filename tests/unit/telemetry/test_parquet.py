# SPDX-License-Identifier: Apache-2.0
"""Arrays and rows survive Parquet, and a half-written file never takes a name."""

import os
from pathlib import Path

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.telemetry import parquet


def test_columns_come_back_in_order_with_nulls_for_nan(tmp_path: Path) -> None:
    file = tmp_path / "it's.parquet"
    wide = np.arange(12, dtype=np.float32).reshape(4, 3)
    wide[2, 1] = np.nan
    parquet.write_columns(file, {"ts": np.array([4, 3, 2, 1]), 'a "b".c': wide[:, 1]})
    back = parquet.read(file)
    assert back["ts"].tolist() == [4, 3, 2, 1]
    column = back['a "b".c']
    assert column.dtype == np.float32
    assert np.ma.filled(column, -1).tolist() == [1, 4, -1, 10]


def test_infinity_is_kept_apart_from_null(tmp_path: Path) -> None:
    parquet.write_columns(tmp_path / "x", {"v": np.array([np.inf, np.nan, -np.inf], np.float32)})
    column = parquet.read(tmp_path / "x")["v"]
    assert np.ma.getmaskarray(column).tolist() == [False, True, False]


def test_rows_keep_their_types(tmp_path: Path) -> None:
    rows = [(2**62, "x"), (-1, None)]
    parquet.write_rows(tmp_path / "rows", {"ts": "BIGINT", "what": "VARCHAR"}, rows)
    assert parquet.read_rows(tmp_path / "rows", ("ts", "what")) == rows


def test_no_rows_make_a_file_with_columns(tmp_path: Path) -> None:
    parquet.write_rows(tmp_path / "rows", {"ts": "BIGINT"}, [])
    assert list(parquet.read(tmp_path / "rows")) == ["ts"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    parquet.write_columns(file, {"v": np.array([1.0])})
    (tmp_path / "x.parquet.tmp").mkdir()
    with pytest.raises(OSError):
        parquet.write_columns(file, {"v": np.array([2.0])})
    assert parquet.read(file)["v"].tolist() == [1.0]


def test_files_of_one_size_and_time_are_not_mistaken_for_each_other(tmp_path: Path) -> None:
    """They are opened under the same descriptor, one after the other."""
    names = [tmp_path / str(number) for number in range(4)]
    for number, name in enumerate(names):
        parquet.write_columns(name, {"v": np.full(1000, number)})
        os.utime(name, ns=(10**18, 10**18))
    assert len({name.stat().st_size for name in names}) == 1
    assert [int(parquet.read(name)["v"][0]) for name in names * 2] == [0, 1, 2, 3] * 2


def test_the_shape_is_known_without_the_values(tmp_path: Path) -> None:
    file = tmp_path / "zeros[1]"
    parquet.write_columns(file, {"a": np.zeros(10**6), "b": np.zeros(10**6, np.int64)})
    assert parquet.shape(file) == (10**6, 2)
    assert file.stat().st_size < 10**4
    file.write_bytes(b"no Parquet")
    with pytest.raises(JepaError, match="cannot be read"):
        parquet.shape(file)


def test_a_missing_column_is_said(tmp_path: Path) -> None:
    parquet.write_columns(tmp_path / "x", {"v": np.array([1.0])})
    with pytest.raises(JepaError, match="x cannot be read"):
        parquet.read_rows(tmp_path / "x", ("w",))


@pytest.mark.parametrize(
    "name", ["run[1]", "run*", "run?", "~", "s3:", "day=1", "it's", "{a,b}", "a\\b", "名"]
)
def test_a_name_is_a_name_and_no_pattern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, rows in ((name, 3), ("run1", 99), ("runx", 98), ("a", 97)):
        Path(folder).mkdir()
        parquet.write_columns(Path(folder) / "frames.parquet", {"v": np.zeros(rows, np.float32)})
    back = parquet.read(Path(name) / "frames.parquet")
    assert list(back) == ["v"]
    assert len(back["v"]) == 3
    assert len(parquet.read_rows(Path(name) / "frames.parquet", ["v"])) == 3


def test_a_pattern_that_would_fit_a_neighbour_is_a_missing_file(tmp_path: Path) -> None:
    parquet.write_columns(tmp_path / "run1", {"v": np.zeros(2, np.float32)})
    with pytest.raises(JepaError, match=r"run\*"):
        parquet.read(tmp_path / "run*")
