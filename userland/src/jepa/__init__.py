# SPDX-License-Identifier: Apache-2.0
"""What runs in the image: telemetry, the world model, the service and the shell."""

__version__ = "0.1.0"
