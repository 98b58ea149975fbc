"""Ways to fit scores of classes to features: one file, one classifier. They need `sortilin[train]`."""
