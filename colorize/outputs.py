"""What networks give beside ab: their names, and how many pixels share one of each."""

LOGITS, FEATURES = "logits", "features"
# Pixels a side of what the network sees: those of one distribution among the colours of
# `color.ab_bins`, and those of one feature of the encoder.
LOGITS_CELL, FEATURES_CELL = 4, 16
