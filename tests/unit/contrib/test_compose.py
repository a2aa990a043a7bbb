# SPDX-License-Identifier: Apache-2.0
"""The example for `docker compose` is what the Compose Specification allows, and starts a closed cluster.

compose-spec.json is the specification's own schema (github.com/compose-spec/compose-spec, Apache-2.0, commit
c83c687b0f8b538b931de613f24d1527c6859d93).
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator  # type: ignore[import-untyped]

RAY = Path(__file__).parents[3] / "contrib/ray"
SPEC = json.loads(Path(__file__).with_name("compose-spec.json").read_text(encoding="utf-8"))


@pytest.fixture
def example() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((RAY / "compose.yaml").read_text(encoding="utf-8"))
    return found


def faults(example: dict[str, Any]) -> list[str]:
    return [each.json_path for each in Draft7Validator(SPEC).iter_errors(example)]


def test_it_is_what_the_specification_allows(example: dict[str, Any]) -> None:
    assert faults(example) == []
    example["services"]["head"]["helthcheck"] = example["services"]["head"].pop("healthcheck")
    assert faults(example) == ["$.services.head"]


def test_workers_join_a_head_of_the_same_image_that_nobody_outside_reaches(example: dict[str, Any]) -> None:
    head, worker = example["services"]["head"], example["services"]["worker"]
    for each in (head, worker):
        assert each["image"] == "jepa-fleet"
        assert each["environment"]["RAY_USAGE_STATS_ENABLED"] == "0"
        assert "ports" not in each
        assert (RAY / each["build"]["context"] / each["build"]["dockerfile"]).is_file()
    assert "--head --port=6379" in head["command"]
    assert "--address=head:6379" in worker["command"]
    assert worker["depends_on"] == {"head": {"condition": "service_healthy"}}
    assert not any("keys" in volume for volume in worker["volumes"])


def test_no_key_gets_into_the_image() -> None:
    ignored = (RAY / "Dockerfile.dockerignore").read_text().split()
    assert {"keys", "**/*.key", "**/*.env", "build", ".git"} <= set(ignored)
