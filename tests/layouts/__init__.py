"""Small datasets in exactly the layouts that they are delivered in."""
