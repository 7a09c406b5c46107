"""The words of the house: pure values and pure functions.

No clock, no I/O, no Temporal. Everything else is said in these words.
"""
