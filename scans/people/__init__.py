"""The embedded people generator: clothed anny bodies, written as textured GLB like any scan."""
