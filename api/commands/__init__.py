"""The sub-commands of ``fluxhero``, one module per group; what is slow to import is imported inside them."""
