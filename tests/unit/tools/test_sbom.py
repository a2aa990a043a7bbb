# SPDX-License-Identifier: Apache-2.0
"""The bill of materials names everything in the image, each with a package URL, and is the same twice."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from tools.sbom import Component, debian, document, packs, python
from tools.vm.image import ROOT

THEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_debian_packages_come_with_version_and_architecture(tmp_path: Path) -> None:
    (tmp_path / "status").write_text(
        "Package: less\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:668-1+b1\n"
        "Description: pages\n Version: none of this\n\n"
        "Package: nano\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 8\n"
    )
    (less,) = debian(tmp_path / "status")
    assert less.purl == "pkg:deb/debian/less@1%3A668-1+b1?arch=amd64&distro=trixie"
    assert less.version == "1:668-1+b1"


def test_python_packages_come_with_the_licence_that_they_declare(tmp_path: Path) -> None:
    for name, licence in (("H11", "License-Expression: MIT\n"), ("old_one", "License: BSD, more or less\n")):
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{licence}")
    assert list(python(tmp_path)) == [
        Component("h11", "1.0", "pkg:pypi/h11@1.0", "MIT"),
        Component("old-one", "1.0", "pkg:pypi/old-one@1.0", "NOASSERTION"),
    ]


def test_packs_say_themselves_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "machine").mkdir()
    said = "name = 'machine'\nversion = '0.7.2'\nlicence = 'Apache-2.0'\n"
    (tmp_path / "machine/pack.toml").write_text(said)
    purl = "pkg:generic/pack-machine@0.7.2"
    assert list(packs(tmp_path)) == [Component("pack-machine", "0.7.2", purl, "Apache-2.0")]


def test_the_document_has_every_component_below_the_image() -> None:
    made = document("1.2", [Component("less", "668", "pkg:deb/debian/less@668")], THEN)
    assert made == document("1.2", [Component("less", "668", "pkg:deb/debian/less@668")], THEN)
    image, less = made["packages"]
    assert (image["name"], image["versionInfo"]) == ("jepa-os", "1.2")
    assert made["relationships"] == [
        {
            "spdxElementId": "SPDXRef-DOCUMENT",
            "relationshipType": "DESCRIBES",
            "relatedSpdxElement": image["SPDXID"],
        },
        {
            "spdxElementId": image["SPDXID"],
            "relationshipType": "CONTAINS",
            "relatedSpdxElement": less["SPDXID"],
        },
    ]
    assert made["creationInfo"] == {"created": "2026-01-02T03:04:05Z", "creators": ["Tool: jepa-os"]}


def test_another_content_has_another_name() -> None:
    one, other = (document("1.2", [Component("less", version, "")], THEN) for version in ("1", "2"))
    assert one["documentNamespace"] != other["documentNamespace"]


def test_it_is_written_of_a_tree_by_the_script_alone(tmp_path: Path) -> None:
    status = "Package: {}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n"
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text("\n".join(map(status.format, ("less", "bash"))))
    (tmp_path / "usr/lib/jepa/packs/machine").mkdir(parents=True)
    said = "name = 'machine'\nversion = '0.7.2'\nlicence = 'Apache-2.0'\n"
    (tmp_path / "usr/lib/jepa/packs/machine/pack.toml").write_text(said)
    (tmp_path / "usr/lib/jepa/jepa-1.2.dist-info").mkdir()
    own = "Metadata-Version: 2.4\nName: jepa\nVersion: 1.2\n"
    (tmp_path / "usr/lib/jepa/jepa-1.2.dist-info/METADATA").write_text(own)
    command = [sys.executable, "-I", str(ROOT / "tools/sbom.py"), str(tmp_path), "1.2", "0"]
    made = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert [each["name"] for each in made["packages"]] == ["jepa-os", "bash", "less", "pack-machine"]
    assert made["creationInfo"]["created"] == "1970-01-01T00:00:00Z"
