"""Hi4D (Yin et al. 2023): real photographs of two people, with meshes, masks and cameras, taken to triplets."""
