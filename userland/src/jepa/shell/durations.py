# SPDX-License-Identifier: Apache-2.0
"""Spans of time as people read them."""


def duration(seconds: float) -> str:
    """``seconds`` in the two units a person would use."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
