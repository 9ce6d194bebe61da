"""How near the colours of models come to the true ones.

Files import in this order: recognition, hint_points, candidates, report, coloring,
measuring, evaluation.
May import: all but export, page and cli.
"""
