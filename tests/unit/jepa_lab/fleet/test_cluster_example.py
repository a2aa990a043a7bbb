# SPDX-License-Identifier: Apache-2.0
"""The example of a cluster is what `ray up` takes, by Ray's own schema."""

from pathlib import Path

import yaml

EXAMPLE = Path(__file__).parents[4] / "contrib/ray/cluster.yaml"


def test_ray_takes_the_example() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    told = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    prepared = prepare_config(told)
    validate_config(prepared)
    (node,) = prepared["available_node_types"].values()
    assert node["min_workers"] == len(told["provider"]["worker_ips"])
    for commands in (prepared["head_start_ray_commands"], prepared["worker_start_ray_commands"]):
        assert all("build/venv/bin/ray" in each for each in commands)
        assert "RAY_USAGE_STATS_ENABLED=0" in commands[-1]
