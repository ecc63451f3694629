"""What Signet's promises amount to, measured on real processes; `python -m benchmarks` prints all of it."""
