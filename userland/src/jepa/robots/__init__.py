# SPDX-License-Identifier: Apache-2.0
"""Robots that move towards a goal that is a picture, within an envelope that holds without a model."""
