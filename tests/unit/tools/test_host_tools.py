# SPDX-License-Identifier: Apache-2.0
"""What the build takes from the host: its Debian mirror, and an mkosi that fits."""

import pytest

from tools import apt_source, mkosi_source

TARGETS = [
    "Packages\tgcloud\tcloud\tmain\thttps://vendor.example/apt/",
    "Translations\tDebian\tDebian\tmain\thttp://wrong.example/debian/",
    "Packages\tDebian\tDebian\tcontrib\thttp://wrong.example/debian/",
    "Packages\tDebian\tDebian-Security\tmain\thttp://sec.example/debian-security/",
    "Packages\tDebian\tDebian\tmain\thttp://mirror.example/debian/",
    "Packages\tDebian\tDebian\tmain\thttp://second.example/debian/",
]


def test_the_mirror_is_debians_main_archive_not_a_vendors() -> None:
    mirrors = apt_source.choose(TARGETS)
    assert mirrors is not None
    assert mirrors.archive == "http://mirror.example/debian"
    assert mirrors.security == "http://sec.example/debian-security"


def test_a_host_without_debian_has_no_mirror() -> None:
    assert apt_source.choose(TARGETS[:1]) is None
    assert apt_source.choose([]) is None


def test_sources_ask_for_backports_and_never_for_a_debug_archive() -> None:
    text = apt_source.sources(apt_source.Mirrors("http://mirror.example/debian", None))
    assert "Suites: trixie trixie-updates trixie-backports" in text
    assert "debug" not in text
    assert "security" not in text


@pytest.mark.parametrize(
    ("said", "fits"),
    [("mkosi 25.3", True), ("mkosi 25.3.1", True), ("mkosi 14", False), ("mkosi 26", False), ("", False)],
)
def test_only_versions_the_configuration_was_written_for_fit(said: str, fits: bool) -> None:
    assert mkosi_source.fits(mkosi_source.parse_version(said)) is fits
