# SPDX-License-Identifier: Apache-2.0
"""What a task spec may say, and how a person is told that it is wrong."""

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.tasks.spec import LARGEST, OPERATIONS, Intent, TaskSpec, parse_spec, spec_schema


def spec(**fields: Any) -> TaskSpec:
    return parse_spec(json.dumps({"intent": "prioritize", **fields}))


def test_only_the_intent_must_be_given() -> None:
    found = spec()
    assert (found.intent, found.targets, found.protect, found.notify) == ("prioritize", (), (), False)


def test_names_are_lower_case_as_units_are_looked_up() -> None:
    assert spec(targets=[" Web.Service"], protect=["DB"]).targets == ("web.service",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "JSON"),
        ("[]", "object"),
        ('{"targets": ["a"]}', "intent"),
        ('{"intent": "dance"}', "intent"),
        ('{"intent": "limit", "how": "fast"}', "how"),
        ('{"intent": "limit", "amount": {"value": 4, "unit": "elephants"}}', "amount.unit"),
        ('{"intent": "limit", "amount": {"value": NaN, "unit": "%"}}', "amount.value"),
        ('{"intent": "limit", "amount": {"value": -4, "unit": "%"}}', "amount.value"),
        ('{"intent": "limit", "until": "half an hour"}', "until"),
        ('{"intent": "limit", "until": "P"}', "until"),
        ('{"intent": "limit", "until": "PT"}', "until"),
        ('{"intent": "limit", "condition": {"kind": "sometimes"}}', "condition.kind"),
        ('{"intent": "service", "operation": "eject"}', "service takes start"),
        ('{"intent": "limit", "operation": "start"}', "limit takes no operation"),
        ('{"intent": "limit", "targets": [""]}', "targets.0"),
        ('{"intent": "limit", "targets": "a"}', "targets"),
    ],
)
def test_what_is_wrong_is_named(text: str, said: str) -> None:
    with pytest.raises(JepaError) as wrong:
        parse_spec(text)
    assert wrong.value.status == 422
    assert said in wrong.value.problem


@pytest.mark.parametrize("until", ["PT30M", "PT2H", "P1D", "P1DT12H", "PT90S", "P2W"])
def test_durations_are_those_of_iso_8601(until: str) -> None:
    assert spec(until=until).until == until


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_whatever_is_sent_is_understood_or_refused(text: str | bytes) -> None:
    try:
        parse_spec(text)
    except JepaError as error:
        assert error.status == 422


def test_a_huge_spec_is_refused_unread() -> None:
    with pytest.raises(JepaError, match="longer than"):
        parse_spec(" " * (LARGEST + 1))


def test_the_schema_lists_the_fields_of_the_contract() -> None:
    schema = spec_schema()
    names = (
        "intent operation resource targets amount condition until protect notify goal confidence tier spans"
        " question"
    )
    assert list(schema["properties"]) == names.split()
    assert schema["required"] == ["intent"]
    assert set(OPERATIONS) <= set(get_args(Intent))


def test_a_spec_written_out_is_read_back() -> None:
    first = spec(targets=["a"], amount={"value": 40, "unit": "%"}, until="PT1H")
    assert parse_spec(first.model_dump_json()) == first
