"""Problems to try methods on: families of generated rows, and tables that packages ship; two led to constants, the
others to none: `products of 3` and `words` did.

dense, counted, coded: generated, the same for each seed       tables: real ones       FAMILIES, TABLES: all of them
"""

from tests.families.coded import CODED
from tests.families.counted import COUNTED
from tests.families.dense import DENSE
from tests.families.tables import TABLES

FAMILIES = (*DENSE, *COUNTED, *CODED)

__all__ = ["FAMILIES", "TABLES"]
