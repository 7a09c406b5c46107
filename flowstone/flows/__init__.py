"""The deciding half: `async def`, deterministic, talking to nothing but an `Engine`.

A flow sees numbers, keys, rules and replies. What it needs done, it asks a step for.
"""
