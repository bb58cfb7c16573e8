# SPDX-License-Identifier: BSD-2-Clause
"""Runs unmodified verbs programs on Verbatim and judges what they print."""
