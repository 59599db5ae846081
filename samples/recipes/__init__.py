"""What samples/make.py makes the samples from."""
