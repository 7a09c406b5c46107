"""The testing kit, a plugin of pytest."""
