"""Things people wear and hold besides clothes: real geometry, placed on the posed and dressed body."""
