"""What jax runs on: the mesh of devices, the processes they belong to, compiled programs kept."""
