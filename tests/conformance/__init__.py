# SPDX-License-Identifier: BSD-2-Clause
"""What scripts/conformance is made of."""
