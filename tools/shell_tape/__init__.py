# SPDX-License-Identifier: Apache-2.0
"""Records what the shell of a booted image is told, for tests of the shell to tell it again."""
