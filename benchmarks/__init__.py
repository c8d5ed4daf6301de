"""Measurements behind the claims. Each `bench_*.py` compares side by side in one run and prints ratios; `make bench` runs all."""
