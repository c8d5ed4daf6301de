"""The triplet, its conventions, shards, transforms and Lightning data modules."""
