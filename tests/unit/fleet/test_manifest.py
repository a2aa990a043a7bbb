# SPDX-License-Identifier: Apache-2.0
"""A manifest is believed only when a machine of the fleet signed it, and says nothing impossible."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.fleet.identity import Identity, identity_in
from jepa.fleet.keys import FleetKey
from jepa.fleet.manifest import FILES, DayManifest, SentFile, Shape, StoredRecording, checked, signed
from tests.unit.fleet.machines import NOON_NS, owner_in

DAY = "2026-11-29"


def a_part(name: str = "20261129T120000Z-0123456789ab", **fields: Any) -> StoredRecording:
    given_: dict[str, Any] = {
        "start_ns": NOON_NS,
        "end_ns": NOON_NS + 10**9,
        "frames": 2,
        "missed": 0,
        "schema_version": 1,
        "schema_digest": "a" * 64,
        "shape": Shape(cpus=2, memory_mib=2048, kernel="6.12", machine="x86_64"),
        "content": "b" * 64,
        "levels": {"system.cpu.utilization": 0.5},
        "files": {file: SentFile(size=1, sha256="c" * 64) for file in FILES},
    }
    return StoredRecording(name=name, **{**given_, **fields})


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Identity, FleetKey]:
    folder = tmp_path_factory.mktemp("fleet")
    return identity_in(folder), owner_in(folder / "keys").fleet


def stored(fleet: tuple[Identity, FleetKey], *parts: StoredRecording, day: str = DAY) -> bytes:
    identity, key = fleet
    return signed(identity, key, day=day, parts=parts, table={"unit-1": "a"}, lost=2, sent_ns=NOON_NS)


def again(fleet: tuple[Identity, FleetKey], content: bytes) -> bytes:
    """``content`` with a signature of the machine that fits."""
    return content + b"\n" + fleet[0].sign(content).hex().encode() + b"\n"


def test_what_was_signed_is_read_again(fleet: tuple[Identity, FleetKey]) -> None:
    found = checked(stored(fleet, a_part()), fleet[1])
    assert (found.host, found.day, found.lost, found.parts) == (fleet[0].host, DAY, 2, (a_part(),))


@given(st.data())
def test_no_altered_byte_is_believed(fleet: tuple[Identity, FleetKey], data: st.DataObject) -> None:
    whole = stored(fleet, a_part())
    place = data.draw(st.integers(0, len(whole) - 2))
    other = bytes([whole[place] ^ data.draw(st.integers(1, 255))])
    altered = whole[:place] + other + whole[place + 1 :]
    if altered.lower() == whole.lower() and place > whole.index(b"\n"):
        return  # the same signature in other letters
    with pytest.raises(JepaError):
        checked(altered, fleet[1])


@given(
    st.one_of(
        st.binary(),
        st.text('ab\n{}"é').map(str.encode),
        st.binary().map(lambda junk: junk + b"\n" + b"0" * 128),
    )
)
def test_no_junk_is_believed(fleet: tuple[Identity, FleetKey], junk: bytes) -> None:
    with pytest.raises(JepaError):
        checked(junk, fleet[1])


WORD = "ab-./0\x1bé"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(WORD),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(WORD), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_a_machine_that_signs_nonsense_is_refused_and_breaks_nothing(
    fleet: tuple[Identity, FleetKey], data: st.DataObject
) -> None:
    content = json.loads(stored(fleet, a_part()).partition(b"\n")[0])
    target = data.draw(st.sampled_from([content, content["parts"][0], content["parts"][0]["shape"]]))
    field = data.draw(st.sampled_from(sorted(target)))
    was, target[field] = target[field], data.draw(JSON)
    try:
        found = checked(again(fleet, json.dumps(content).encode()), fleet[1])
    except JepaError:
        return
    assert isinstance(found, DayManifest)  # such as another number of CPUs, which may be
    assert field not in ("host", "key", "enrolment", "version") or target[field] == was


@pytest.mark.parametrize("name", ["../../etc/passwd", "20261129T120000Z-0123456789ab/../x", "a\n", ""])
def test_a_part_cannot_name_another_place(fleet: tuple[Identity, FleetKey], name: str) -> None:
    content = json.loads(stored(fleet, a_part()).partition(b"\n")[0])
    content["parts"][0]["name"] = name
    with pytest.raises(JepaError, match=r"parts\.0\.name"):
        checked(again(fleet, json.dumps(content).encode()), fleet[1])


def test_a_part_of_another_day_is_refused(fleet: tuple[Identity, FleetKey]) -> None:
    with pytest.raises(JepaError, match="contradicts itself"):
        checked(stored(fleet, a_part(), day="2026-11-30"), fleet[1])


def test_a_machine_without_the_key_of_the_fleet_is_refused(
    fleet: tuple[Identity, FleetKey], tmp_path: Path
) -> None:
    with pytest.raises(JepaError, match="has not the key of this fleet"):
        checked(stored(fleet, a_part()), owner_in(tmp_path).fleet)


def test_a_machine_cannot_sign_under_the_name_of_another(
    fleet: tuple[Identity, FleetKey], tmp_path: Path
) -> None:
    content = json.loads(stored(fleet).partition(b"\n")[0])
    content["host"] = identity_in(tmp_path).host
    with pytest.raises(JepaError, match="another machine"):
        checked(again(fleet, json.dumps(content).encode()), fleet[1])
