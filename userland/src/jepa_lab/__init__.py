# SPDX-License-Identifier: Apache-2.0
"""What trains, exports and evaluates packs; never in the image."""
