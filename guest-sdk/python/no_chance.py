"""Takes the generators of `random` away that have no seed: their numbers would go on from call to call,
and part the replicas. Imported before the type is.
"""

import random


def _refuse(*_given, **_named):
    raise RuntimeError(
        "a type has no chance, since its replicas would part; what every node has alike is the "
        "context of an op: timestamp, replica, counter"
    )


for _name in random.__all__:
    if not isinstance(getattr(random, _name), type):
        setattr(random, _name, _refuse)
