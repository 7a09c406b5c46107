"""The workflows: a module each, since the sandbox imports it anew for every run."""
