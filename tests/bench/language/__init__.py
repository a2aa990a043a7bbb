# SPDX-License-Identifier: Apache-2.0
"""Sentences with the task specs that they mean, and how often the parser finds these."""
