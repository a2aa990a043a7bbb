# SPDX-License-Identifier: Apache-2.0
"""Write the image's bill of materials in SPDX 2.3: Debian's packages, Python's, and our packs.

mkosi.postinst runs it in mkosi's sandbox, where nothing of this tree is installed.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import sys
import tomllib
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NAMESPACE = "https://jepa.invalid/spdx"
"""Nobody is at this address: SPDX asks for a name that is unique."""

OWN = "jepa"
"""Our own distribution among Python's, which is no package of anybody's index: the image is listed."""


@dataclass(frozen=True, slots=True)
class Component:
    """One thing in the image: `purl` is its package URL, `licence` an SPDX expression, where known."""

    name: str
    version: str
    purl: str
    licence: str = "NOASSERTION"


def debian(status: Path) -> Iterator[Component]:
    """Yield the packages that are installed by dpkg's file `status`; jepa-os.licences has their licences."""
    for paragraph in status.read_text().split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").split()[-1:] != ["installed"]:
            continue
        name, version = fields["Package"], fields["Version"]
        quoted = urllib.parse.quote(version, safe="+~.-")
        purl = f"pkg:deb/debian/{name}@{quoted}?arch={fields['Architecture']}&distro=trixie"
        yield Component(name, version, purl)


def python(site: Path) -> Iterator[Component]:
    """Yield the distributions in the directory `site`, with the licences that they declare."""
    found = importlib.metadata.distributions(path=[str(site)])
    for distribution in sorted(found, key=lambda each: each.name.lower()):
        name = re.sub(r"[-_.]+", "-", distribution.name).lower()
        declared = distribution.metadata.get_all("License-Expression") or ["NOASSERTION"]
        yield Component(name, distribution.version, f"pkg:pypi/{name}@{distribution.version}", declared[0])


def packs(folder: Path) -> Iterator[Component]:
    """Yield the packs below `folder`, with what their manifests say."""
    for manifest in sorted(folder.glob("*/pack.toml")):
        pack = tomllib.loads(manifest.read_text())
        name, version = f"pack-{pack['name']}", str(pack["version"])
        yield Component(name, version, f"pkg:generic/{name}@{version}", str(pack["licence"]))


def document(version: str, components: list[Component], created: datetime) -> dict[str, Any]:
    """Return the SPDX document of an image with `version`; the same for the same content and time."""
    image = Component("jepa-os", version, f"pkg:generic/jepa-os@{version}", "Apache-2.0")
    listed = [_package(number, each) for number, each in enumerate([image, *components])]
    digest = hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", listed[0]["SPDXID"])]
    relations += [(str(listed[0]["SPDXID"]), "CONTAINS", each["SPDXID"]) for each in listed[1:]]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"jepa-os-{version}",
        "documentNamespace": f"{NAMESPACE}/jepa-os-{version}-{digest}",
        "creationInfo": {
            "created": created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": ["Tool: jepa-os"],
        },
        "packages": listed,
        "relationships": [
            {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
            for one, kind, other in relations
        ],
    }


def _package(number: int, component: Component) -> dict[str, object]:
    name = re.sub(r"[^A-Za-z0-9.-]", "-", component.name)
    reference = {
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": component.purl,
    }
    return {
        "SPDXID": f"SPDXRef-{number}-{name}",
        "name": component.name,
        "versionInfo": component.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": component.licence,
        "copyrightText": "NOASSERTION",
        "externalRefs": [reference],
    }


def main() -> int:
    """Write the document of the system below a directory: its arguments are that, a version and a time."""
    root, version, made = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    libraries = root / "usr/lib/jepa"
    components = [
        *sorted(debian(root / "var/lib/dpkg/status"), key=lambda each: each.name),
        *(each for each in python(libraries) if each.name != OWN),
        *packs(libraries / "packs"),
    ]
    print(json.dumps(document(version, components, datetime.fromtimestamp(made, UTC)), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
