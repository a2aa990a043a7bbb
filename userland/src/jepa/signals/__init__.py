# SPDX-License-Identifier: Apache-2.0
"""Signals: numbers of a person's own, read from files, UNIX sockets and Prometheus pages, and judged."""
