# SPDX-License-Identifier: Apache-2.0
"""Video in, latents out: sources, clips, V-JEPA 2 packs, and an index of what was seen."""
