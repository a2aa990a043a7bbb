# SPDX-License-Identifier: Apache-2.0
"""Why the machine is as it is: likely causes in order, from what was measured, each with its evidence.

The way: `machine` looks (the only module that does), `situation` holds what was seen, `causes` is the table
of causes, `ranking` puts those that apply in order. Nothing here needs a model, and nothing is changed.
"""
