"""What is added to the version of a type. `replicant dev` puts another text here, so that each build
has a version of its own.
"""

BUILD = ""
