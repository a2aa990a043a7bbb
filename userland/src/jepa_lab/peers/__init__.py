# SPDX-License-Identifier: Apache-2.0
"""What a user would pick instead of the world model: fitted on the same recordings, judged beside it."""

PEERS = ("no_adaptation", "ridge", "trees", "schedule_oracle", "ets")
