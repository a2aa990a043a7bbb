# SPDX-License-Identifier: Apache-2.0
"""Who else says what actions do: fitted on the trials that the pack learned from, judged as it is."""
