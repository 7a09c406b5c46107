"""What drives flows: this process, or Temporal."""
