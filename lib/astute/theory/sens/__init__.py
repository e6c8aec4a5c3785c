"""Checks of Ding et al., on the sensitivity of robustness to the input distribution.

Importing this module registers them all. They stand by topic in `bayes`, `concentration`,
`geometry` and `variants`; the exact tools they share are in `exact`.
"""

from . import bayes, concentration, exact, geometry, variants

__all__ = ["bayes", "concentration", "exact", "geometry", "variants"]
