"""Small datasets of scans in exactly the layouts that they are delivered in."""
