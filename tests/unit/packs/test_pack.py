# SPDX-License-Identifier: Apache-2.0
"""A pack loads when it is whole and fits; every other pack is refused with a reason and a remedy."""

import dataclasses
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.packs.pack import MACHINE_GRAPHS, load_pack, verify_pack
from jepa.packs.places import default_pack_dir
from jepa.telemetry.schema import load_schema

SOURCE = Path(__file__).parents[3] / "model-packs" / "machine"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pack")
    for name in ("pack.toml", "effects.json", *(f"{graph}.onnx" for graph in MACHINE_GRAPHS)):
        shutil.copy(SOURCE / name, folder / name)
    return folder


@pytest.fixture
def pack(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "pack"))


def edit(folder: Path, pattern: str, replacement: str) -> None:
    file = folder / "pack.toml"
    text, number = re.subn(pattern, replacement, file.read_text(), count=1, flags=re.M)
    assert number == 1
    file.write_text(text)


def refusal(folder: Path) -> JepaError:
    with pytest.raises(JepaError) as caught:
        load_pack(folder)
    assert caught.value.problem.endswith(".")
    assert caught.value.remedy.endswith(".")
    return caught.value


def test_the_shipped_pack_loads_and_is_small() -> None:
    pack = load_pack(SOURCE)
    assert set(pack.graphs) == set(MACHINE_GRAPHS)
    assert sum(map(len, pack.graphs.values())) < 8 << 20
    assert pack.manifest.shape.window >= 128
    assert pack.manifest.provenance.parameters <= 1_500_000
    assert verify_pack(SOURCE) == pack.manifest


def test_a_missing_pack_names_the_directory(tmp_path: Path) -> None:
    error = refusal(tmp_path)
    assert error.status == 404
    assert str(tmp_path) in error.problem


def test_a_system_that_lacks_a_channel_refuses_the_pack_and_names_it(pack: Path) -> None:
    schema = load_schema()
    lacking = load_pack(pack).schema.names[-1]
    fewer = schema.select([name for name in schema.names if name != lacking])
    with pytest.raises(JepaError, match=lacking):
        load_pack(pack, fewer)


def test_a_channel_that_means_something_else_is_refused(pack: Path) -> None:
    schema = load_schema()
    first = dataclasses.replace(schema.channels[0], unit="KiB/s")
    with pytest.raises(JepaError, match="made for channel schema"):
        load_pack(pack, dataclasses.replace(schema, channels=(first, *schema.channels[1:])))


def test_channels_that_a_pack_does_not_know_are_no_hindrance(pack: Path) -> None:
    schema = load_schema()
    newer = dataclasses.replace(schema.channels[0], name="system.new")
    wider = dataclasses.replace(schema, channels=(newer, *schema.channels))
    assert load_pack(pack, wider).schema == load_pack(pack).schema


def test_a_missing_graph_is_named(pack: Path) -> None:
    (pack / "advance.onnx").unlink()
    assert "advance.onnx" in refusal(pack).problem


def test_effects_that_are_not_those_of_the_manifest_are_refused(pack: Path) -> None:
    file = pack / "effects.json"
    file.write_text(file.read_text() + " ")
    assert "effects.json is not the one" in refusal(pack).problem
    file.unlink()
    assert "effects.json cannot be read" in refusal(pack).problem


def test_a_pack_without_effects_loads_and_knows_of_none(pack: Path) -> None:
    edit(pack, r"\[effects\]\nfile = .*\nsha256 = .*\n", "")
    assert load_pack(pack).effects is None


def test_a_graph_left_out_of_the_manifest_is_named(pack: Path) -> None:
    edit(pack, r"\[graphs\.decode\]", "[graphs.other]")
    assert "'decode'" in refusal(pack).problem


def test_a_graph_outside_the_pack_is_refused(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "encode.onnx").write_bytes((pack / "encode.onnx").read_bytes())
    (pack / "encode.onnx").unlink()
    (pack / "encode.onnx").symlink_to(tmp_path / "encode.onnx")
    assert "outside itself" in refusal(pack).problem


@pytest.mark.parametrize("path", ["../encode.onnx", "/etc/passwd"])
def test_a_path_out_of_the_pack_is_no_file_name(pack: Path, path: str) -> None:
    edit(pack, r'file = "encode\.onnx"', f'file = "{path}"')
    refusal(pack)


@pytest.mark.parametrize(
    ("pattern", "replacement", "named"),
    [
        (r'^kind = "machine"', 'kind = "toaster"', "kind"),
        (r"^horizons_s = .*", "horizons_s = [5, 1]", "horizons_s"),
        (r"^quantiles = .*", "quantiles = [0.1, 0.2, 0.9]", "median"),
        (r"^window = .*", "window = 64", "window"),
        (r"^name = ", "nome = ", "name"),
        (r"^kind = .*", "kind = [", "TOML"),
    ],
)
def test_a_manifest_that_says_nonsense_is_refused(
    pack: Path, pattern: str, replacement: str, named: str
) -> None:
    edit(pack, pattern, replacement)
    assert named in refusal(pack).problem


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graph=st.sampled_from(MACHINE_GRAPHS), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_flipped_bit_in_a_graph_is_found(whole: Path, graph: str, place: float, bit: int) -> None:
    file = whole / f"{graph}.onnx"
    content = file.read_bytes()
    damaged = bytearray(content)
    damaged[int(place * len(content))] ^= 1 << bit
    file.write_bytes(damaged)
    try:
        assert "not the one its pack was made with" in refusal(whole).problem
    finally:
        file.write_bytes(content)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graph=st.sampled_from(MACHINE_GRAPHS), share=st.floats(0, 0.999))
def test_a_truncated_graph_is_found(whole: Path, graph: str, share: float) -> None:
    file = whole / f"{graph}.onnx"
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    try:
        refusal(whole)
    finally:
        file.write_bytes(content)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_manifest_is_refused_or_means_the_same_graphs(
    whole: Path, place: float, byte: int, cut: bool
) -> None:
    file = whole / "pack.toml"
    content = file.read_bytes()
    damaged = bytearray(content)
    position = int(place * len(content))
    damaged[position] = byte
    file.write_bytes(damaged[:position] if cut else damaged)
    try:
        load_pack(whole)  # a changed comment or number may pass; the graphs are still the hashed ones
    except JepaError as error:
        assert error.remedy
    finally:
        file.write_bytes(content)


def test_the_environment_names_the_pack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JEPA_PACK", str(tmp_path))
    assert default_pack_dir() == tmp_path
    monkeypatch.delenv("JEPA_PACK")
    assert load_pack(default_pack_dir()).manifest.name == "machine"
