"""A package whose migration takes its time."""
