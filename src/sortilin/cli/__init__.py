"""The command line. Command modules import nothing heavy until they run."""
