"""Networks as torch modules, one architecture a file.

A module of this package defines `Constants`, a NamedTuple whose fields are those of a
config that it takes notice of, and

    FLAT                       whether inputs are vectors, else images
    REUSE                      about how often an example uses a weight
    check(constants, shape)    refuses, by ValueError, what cannot be built
    build(constants, shape, classes)    the module, its parameters not yet drawn

`parts.initialise` draws the parameters. This file imports no architecture: a result
depends on the one that it used.
"""
