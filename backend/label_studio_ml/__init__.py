"""A second face of the web process: a model class for servers of the package label-studio-ml."""
