# SPDX-License-Identifier: Apache-2.0
"""The screens over the main one; what they show the app hands to them."""
