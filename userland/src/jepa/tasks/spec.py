# SPDX-License-Identifier: Apache-2.0
"""The task spec: what one sentence means, as fields whose names are a contract.

It says what is wanted, not how: which action brings it about is found by ``jepa.planning``. Targets are
names as the person wrote them, lower case; they are looked up on the machine that the plan is made for.
"""

from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from jepa.errors import JepaError

Intent = Literal[
    "status", "query", "explain", "forecast", "prioritize", "limit", "reclaim", "service", "watch", "power",
    "device", "goal_capture", "goal_reach", "undo", "history", "autonomy", "packs", "help", "none",
]  # fmt: skip
Operation = Literal[
    "start", "stop", "restart", "reload", "enable", "disable", "list", "eject", "allow", "block", "off",
    "advise", "ask", "auto", "install", "remove", "verify", "save", "performance",
]  # fmt: skip
Resource = Literal["cpu", "memory", "disk", "io", "network", "power", "temperature", "gpu"]
"""``disk`` is space on it, ``io`` activity."""
AmountUnit = Literal["%", "MiB", "GiB", "MiB/s", "cores"]
ConditionKind = Literal["on_battery", "on_ac", "failed", "idle", "above", "below", "time", "plugged"]

OPERATIONS: Final[dict[str, tuple[str, ...]]] = {
    "service": ("start", "stop", "restart", "reload", "enable", "disable"),
    "device": ("list", "eject", "allow", "block"),
    "autonomy": ("off", "advise", "ask", "auto"),
    "packs": ("list", "install", "remove", "verify"),
    "power": ("save", "performance"),
    "watch": ("restart",),
}
"""The operations of each intent that takes one."""
LARGEST: Final = 65536
"""Bytes that a task spec may have."""
_TIME = r"T(\d{1,6}H(\d{1,6}M)?(\d{1,6}S)?|\d{1,6}M(\d{1,6}S)?|\d{1,6}S)"
_DURATION = rf"^P(\d{{1,6}}W|\d{{1,6}}D({_TIME})?|{_TIME})$"


def _lower(name: object) -> object:
    return name.strip().lower() if isinstance(name, str) else name


Name = Annotated[str, BeforeValidator(_lower), Field(min_length=1, max_length=256)]
Names = Annotated[tuple[Name, ...], Field(max_length=32)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Amount(_Strict):
    """How much of a resource."""

    value: float = Field(ge=0, le=1e12, allow_inf_nan=False)
    unit: AmountUnit


class Condition(BaseModel):
    """When it holds; what else a kind needs stands beside it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: ConditionKind


class TaskSpec(_Strict):
    """The typed meaning of one sentence."""

    intent: Intent
    """What is wanted; none is what is out of scope, or unclear."""
    operation: Operation | None = None
    """What is to be done, for those intents that take one."""
    resource: Resource | None = None
    targets: Names = ()
    """What it is about, as the person wrote it."""
    amount: Amount | None = None
    condition: Condition | None = None
    until: str | None = Field(default=None, pattern=_DURATION, max_length=32)
    """How long it stands, an ISO 8601 duration such as PT30M."""
    protect: Names = ()
    """What must not be touched; it always wins."""
    notify: bool = False
    goal: str | None = Field(default=None, min_length=1, max_length=64)
    """The name of a captured goal."""
    confidence: float | None = Field(default=None, ge=0, le=1)
    """How sure the parser is."""
    tier: str | None = Field(default=None, max_length=64)
    """Which parser."""
    spans: dict[str, Any] | None = None
    """Which words gave which field: places in the sentence, from and to, as NFC has its characters."""
    question: str | None = Field(default=None, max_length=512)
    """What is asked back, where the intent is none."""

    @model_validator(mode="after")
    def _fitting(self) -> "TaskSpec":
        fitting = OPERATIONS.get(self.intent, ())
        if self.operation is not None and self.operation not in fitting:
            takes = f"takes {', '.join(fitting)}" if fitting else "takes no operation"
            raise ValueError(f"{self.intent} {takes}, not {self.operation}")
        return self


assert {each for of in OPERATIONS.values() for each in of} == set(get_args(Operation))


def parse_spec(text: str | bytes) -> TaskSpec:
    """The task spec in ``text``, as JSON. JepaError (422) names the first field that is wrong."""
    if len(text) > LARGEST:
        raise _malformed(f"it is longer than {LARGEST} bytes")
    try:
        return TaskSpec.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        said = str(first["msg"]).removeprefix("Value error, ")
        raise _malformed(f"{where}: {said}" if where else said) from None


def spec_schema() -> dict[str, Any]:
    """The JSON Schema of a task spec, draft 2020-12."""
    schema = TaskSpec.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _malformed(detail: str) -> JepaError:
    return JepaError(
        f"The task spec is not valid: {detail}.",
        'For instance {"intent": "prioritize", "targets": ["foreground"]}.',
        status=422,
    )
