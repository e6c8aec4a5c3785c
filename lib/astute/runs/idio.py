"""Studies of the paper."""

STUDIES = ()
