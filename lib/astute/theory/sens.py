"""Checks of Ding et al., on the sensitivity of robustness to the input distribution.

Importing this module registers them all. They stand by topic in `sens_bayes`, `sens_concentration`,
`sens_geometry` and `sens_variants`; the exact tools they share are in `sens_exact`.
"""

from . import sens_bayes as bayes
from . import sens_concentration as concentration
from . import sens_exact as exact
from . import sens_geometry as geometry
from . import sens_variants as variants

__all__ = ["bayes", "concentration", "exact", "geometry", "variants"]
