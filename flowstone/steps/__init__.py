"""The doing half: plain `def`, effectful, idempotent by (run, node, key, item).

A step holds a `Toolbox`, and calls user code, stores and databases. It knows nothing
of flows.
"""
