"""Problems, methods and `fit`: how a network learns from data."""
