"""Picture files in, coloured picture files and a report out.

`steps` reads, colors and writes one picture; the rest decides which, and when.

Files import in this order: shards, job, places, steps, pipeline, dry_run,
contact_sheets.
May import: colorizer and what is below it. Nothing of training or evaluation.
"""

MAX_MEMORY = 1024  # MB of decoded and painted pixels in flight
