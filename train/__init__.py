"""Backbones, heads, losses, metrics and the commands that train, evaluate and predict."""
