# SPDX-License-Identifier: Apache-2.0
"""Frames from the kernel's own files: channels, sources, the sampler and recordings."""
