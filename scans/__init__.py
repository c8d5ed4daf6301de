"""People: one record per scan, ingest into the canonical frame, the embedded generator."""
