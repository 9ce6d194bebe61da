"""A folder of colour pictures in, a run folder out.

Files import in this order: cluster, devices, losses, critic, objective, optimizers,
checkpoints, history, loop.
May import: colorizer and what is below it. Nothing of prediction or evaluation.
`cluster` needs no TensorFlow, and the command line reads it first.
"""
