# SPDX-License-Identifier: Apache-2.0
"""Films the shell on the serial console of the booted image: one sentence, from the prompt to what came."""
