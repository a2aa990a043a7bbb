# SPDX-License-Identifier: Apache-2.0
"""The machine's world model at run time: encode, keep the context, forecast, be surprised."""
