# SPDX-License-Identifier: Apache-2.0
"""Judging a pack on recordings: replay, baselines, scores and reports. No daemon needs any of it."""
