"""The command line, over the client alone; heavy modules come with the first use."""
