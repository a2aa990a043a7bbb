# SPDX-License-Identifier: Apache-2.0
"""jepad: frames, forecasts and history behind HTTP on a UNIX socket."""
