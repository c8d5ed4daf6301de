"""Writers of tiny datasets in exactly the layouts that others publish."""
