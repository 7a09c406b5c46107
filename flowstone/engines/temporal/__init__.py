"""Runs on Temporal: flows as workflows, steps as activities, bells as signals."""
