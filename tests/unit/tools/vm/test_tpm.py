# SPDX-License-Identifier: Apache-2.0
"""The TPM of a machine is run with the libraries of its tree; where there is none the remedy is told."""

from pathlib import Path

import pytest

from tools.vm.tpm import arguments, program


def test_it_runs_with_the_libraries_of_its_tree(tmp_path: Path) -> None:
    libraries = tmp_path / "usr/lib/x86_64-linux-gnu"
    libraries.mkdir(parents=True)
    (libraries / "ld-linux-x86-64.so.2").touch()
    (tmp_path / "usr/bin").mkdir()
    (tmp_path / "usr/bin/swtpm").touch()
    loader, option, path, found = program((tmp_path / "none", tmp_path))
    assert Path(loader).parent == libraries
    assert (option, path) == ("--library-path", f"{libraries}:{libraries}/swtpm")
    assert Path(found) == tmp_path / "usr/bin/swtpm"


def test_without_one_the_remedy_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make image"):
        program((tmp_path,))


def test_the_machine_is_given_it_by_its_socket() -> None:
    words = " ".join(arguments(Path("/run/tpm")))
    assert "path=/run/tpm" in words
    assert "tpm-tis,tpmdev=tpm" in words
