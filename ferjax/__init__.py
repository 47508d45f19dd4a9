"""ferjax: facial-expression recognition in pure-functional JAX."""

__version__ = "0.1.0"
