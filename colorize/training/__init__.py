"""A folder of colour pictures in, a run folder out.

`loop` reads top to bottom; `step` is one update, `saving` what is saved when, `events`
what it says.

Files import in this order: cluster, devices, stopping, events, losses, critic,
objective, optimizers, progress, checkpoints, history, sight, step, saving, loop.
May import: colorizer and what is below it. Nothing of prediction or evaluation.
`cluster`, `stopping`, `events` and `progress` need no TensorFlow.
"""
