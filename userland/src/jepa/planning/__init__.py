# SPDX-License-Identifier: Apache-2.0
"""Planning: from a goal to the course of actions that reaches it, as far as the world model can tell."""
