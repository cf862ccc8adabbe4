"""Tests; their folders mirror src/edgewise."""
