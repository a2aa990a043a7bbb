# SPDX-License-Identifier: Apache-2.0
"""One module a verb, each with ``run(request) -> exit status``; imported only when its verb is used."""

import importlib
from collections.abc import Callable
from typing import cast

from jepa.shell.request import Request


def perform(request: Request) -> int:
    """Do what the verb of ``request`` does; its exit status."""
    module = importlib.import_module(f"{__name__}.{request.args.verb}")
    try:
        return cast("Callable[[Request], int]", module.run)(request)
    finally:
        request.close()
