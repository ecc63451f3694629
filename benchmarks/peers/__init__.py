"""Those beside whom Signet is measured: how they are installed, configured and started."""
