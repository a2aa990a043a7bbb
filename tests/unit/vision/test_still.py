# SPDX-License-Identifier: Apache-2.0
"""A HEIF file gives the whole picture that a person would see: of all tiles, cropped, turned, on white."""

import base64
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.vision.heif import still
from jepa.vision.source import open_source

TILED = (
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAsdtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAA"
    "AAAAABBpZGF0AAAAAQBwADAAAABgaWxvYwEAAABEQAAEAAEAAQAAAAAAAAABAAAAAAAAAAgAAgAAAAAAAALrAAEAAAAAAAAA"
    "fgADAAAAAAAAA2kAAQAAAAAAAAAqAAQAAAAAAAADkwABAAAAAAAAAHMAAABiaWluZgAAAAAABAAAABVpbmZlAgAAAAABAABn"
    "cmlkAAAAABVpbmZlAgAAAQACAABodmMxAAAAABVpbmZlAgAAAQADAABodmMxAAAAABVpbmZlAgAAAAAEAABodmMxAAAAAA5w"
    "aXRtAAAAAAABAAABkGlwcnAAAAFeaXBjbwAAABRpc3BlAAAAAAAAAHAAAAAwAAAAeGh2Y0MBA3AAAACQAAAAAAAe8AD8/fj4"
    "AAAPA2AAAQAYQAEMAf//A3AAAAMAkAAAAwAAAwAeugJAYQABACtCAQEDcAAAAwCQAAADAAADAB6gIIEFlupJKa5uAhoMCAAA"
    "AwDIAAADAAhAYgABAAdEAcFysCJAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAQcGl4aQAAAAADCAgIAAAACWlyb3QDAAAAdWh2"
    "Y0MBA3AAAACQAAAAAAAe8AD8/fj4AAAPA2AAAQAYQAEMAf//A3AAAAMAkAAAAwAAAwAeugJAYQABAClCAQEDcAAAAwCQAAAD"
    "AAADAB6gIIEFluqumubgIaDAgAAADIAAAAMAhGIAAQAGRAHBc8GJAAAAKGNsYXAAAAAgAAAAAQAAAAwAAAAB////4AAAAAL/"
    "///MAAAAAgAAACppcG1hAAAAAAAAAAQAAQMBhIUAAgOCAwQAAwOCAwQABAWGAwSHhQAAACppcmVmAAAAAAAAABBkaW1nAAEA"
    "AgACAAMAAAAOdGhtYgAEAAEAAQAAASNtZGF0AAAAeigBrxOAeR81uRf/+k+T/2apP/BfDUreayyPTn3/xGuDT/2axY5MVf8d"
    "VJGNFAv/kdOj7LQt50u/S041KgAlE+kxWZE2+972MjO+SzMAH6z7xiIiNA8dWzBeRQILZE0p4FOJtOw0BbYLCPJFVYx/Wuv1"
    "U87KaHvI+NuAAAAAJigBrxOA5s5BAyS7+JR/+5Hq/7ArhQa2azNmy+nIiSyBSjk/6EavAAAAbygBrxMh5QwNi7tFdJt77wnz"
    "ELe6pxfzGTIy5w6eUSOSjKHiDLtSVv4SuYrlHPlEeETe9temX367Nx6RZ1A1irZvwyKtyE+H1Mb5fq+mnnSluFj00tSZoDYW"
    "N6cdSdJugK3P5XkAlEAyIqb2yZoZ4A=="
)
"""112 by 48 pixels in two tiles of 64 by 64, turned by a quarter, with a thumbnail. By libheif 1.23.6, like
the others."""

ODD = (
    "AAAAGGZ0eXBoZWljAAAAAG1pZjFoZWljAAABfW1ldGEAAAAAAAAAIWhkbHIAAAAAAAAAAHBpY3QAAAAAAAAAAAAAAAAAAAAA"
    "Imlsb2MAAAAAREAAAQABAAAAAAGdAAEAAAAAAAAAtAAAACNpaW5mAAAAAAABAAAAFWluZmUCAAAAAAEAAGh2YzEAAAAADnBp"
    "dG0AAAAAAAEAAAD9aXBycAAAAN1pcGNvAAAAdmh2Y0MBA3AAAACQAAAAAAAe8AD8/fj4AAAPA2AAAQAYQAEMAf//A3AAAAMA"
    "kAAAAwAAAwAeugJAYQABACpCAQEDcAAAAwCQAAADAAADAB6gIIEFlurkprm4CGgwIAAAAwMgAAADACFiAAEABkQBwXPAiQAA"
    "ABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAAChjbGFwAAAAQAAAAAEAAAAlAAAAAQAAAAAAAAAC////"
    "5QAAAAIAAAAQcGl4aQAAAAADCAgIAAAAGGlwbWEAAAAAAAAAAQABBYECAwWEAAAAvG1kYXQAAACwKAGvE4DmqHuz//LmC/7N"
    "Un/gvhqVvNZZHpz7/4jXBp/7NYscmKv+OnBwhpQ1+J2/x0+v4eukkCnR7Vir//g/rf1QHvvDBcOArnwAFIDWkR4IP3bvTxqu"
    "S+gUEA+3D8OJ/R/H/ml8H7QyW2RNKeBTibTsNAW2CwjyRVWMf1rr9VPOymh7yHKEwf/x6gYIYrPm58gGpYl9A6crOACnVNet"
    "bR5cPx9k2pSRu4GvW1laguA="
)
"""64 by 37 pixels, of which the codec stores 64 by 64."""

TRANSPARENT = (
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAmttZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAA"
    "AAAAADRpbG9jAAAAAERAAAIAAQAAAAACjwABAAAAAAAAAB8AAgAAAAACrgABAAAAAAAAAK4AAAA4aWluZgAAAAAAAgAAABVp"
    "bmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAAACAABodmMxAAAAAA5waXRtAAAAAAABAAABqmlwcnAAAAGCaXBjbwAAAHZo"
    "dmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAA"
    "AwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAA"
    "AAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAAHBodmND"
    "AQQIAAAAn/gAAAAAHvAA/Pz4+AAADwNgAAEAF0ABDAH//wQIAAADAJ/4AAADAAAeugJAYQABACVCAQEECAAAAwCf+AAAAwAA"
    "HsCCBBZbq5Ka5sCAAAAMgAAAAwCEYgABAAZEAcFzwIkAAAAOcGl4aQAAAAABCAAAACdhdXhDAAAAAHVybjptcGVnOmhldmM6"
    "MjAxNTphdXhpZDoxAAAAACBpcG1hAAAAAAAAAAIAAQWBAgMFhAACBYYDB4iEAAAAGmlyZWYAAAAAAAAADmF1eGwAAgABAAEA"
    "AADVbWRhdAAAABsoAa8E+HFk07f/rK////cA3sv7yJcO0nwD9vwAAACqKAGuCfCf8yzf/fQFDnc/4qHnC+BP12amvsayMm5N"
    "Wt3SLarOe3f6k+X8qZDjYmkClPAda/DnpT3jjCrrO1Xmc+IYQ6zVxDu7P+5MFy69nnnwwr2a9GAaPy5xULCbpXeUfZOec+9d"
    "9AvyP/x1r0VYPtK15D1lgAejqbgzq7nB/6Yb2yCLzVqjLPzuFfOfo7o7KEP9nW4342gb+SrDRazRVvTFQ8lWXuHQavA="
)
"""64 by 48 pixels of red, transparent on the left."""


def written(path: Path, text: str) -> Path:
    path.write_bytes(base64.b64decode(text))
    return path


def shown(path: Path) -> np.ndarray:
    with closing(open_source(str(path))) as source:
        (picture,) = [each.rgb for each in source]
    return picture


def test_a_picture_of_tiles_is_whole_and_upright(tmp_path: Path) -> None:
    stored = np.full((48, 112, 3), 128, np.uint8)
    stored[:16, :16], stored[:16, -16:] = (220, 30, 30), (30, 200, 30)
    stored[-16:, :16], stored[-16:, -16:] = (30, 30, 220), (240, 240, 240)
    np.testing.assert_allclose(shown(written(tmp_path / "p.heic", TILED)), np.rot90(stored, -1), atol=3)


def test_what_the_codec_added_to_a_picture_is_cut_off(tmp_path: Path) -> None:
    picture = shown(written(tmp_path / "p.heic", ODD))
    assert picture.shape == (37, 64, 3)
    np.testing.assert_allclose(picture[:14, :14], np.broadcast_to([220, 30, 30], (14, 14, 3)), atol=3)


def test_what_is_transparent_shows_white(tmp_path: Path) -> None:
    picture = shown(written(tmp_path / "p.heic", TRANSPARENT))
    np.testing.assert_allclose(picture[:, :30], 255, atol=3)
    np.testing.assert_allclose(picture[:, 34:], np.broadcast_to([200, 0, 0], (48, 30, 3)), atol=3)


def test_a_picture_without_its_last_tile_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "p.heic", TILED)
    tiles = still(path)
    assert tiles is not None and len(tiles.tiles) == 2
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"mdat") + 4 + 126])  # the length of the first
    with pytest.raises(JepaError, match="no whole frame"):
        shown(path)


def test_a_picture_made_of_others_in_a_way_not_known_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "p.heic", TILED)
    path.write_bytes(path.read_bytes().replace(b"grid", b"iovl", 1))
    with pytest.raises(JepaError, match="of the kind 'iovl'"):
        shown(path)


@given(st.data())
def test_a_damaged_description_is_none_or_a_picture_of_tiles(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(base64.b64decode(data.draw(st.sampled_from([TILED, ODD, TRANSPARENT]))))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.heic"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    found = still(path)
    assert found is None or found.kind != "grid" or len(found.tiles) % found.columns == 0
