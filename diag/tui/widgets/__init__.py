# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the views are made of. Widgets get pictures and never read a source."""
