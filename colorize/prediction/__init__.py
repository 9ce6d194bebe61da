"""Picture files in, coloured picture files and a report out.

Files import in this order: shards, job, pipeline, dry_run, contact_sheets.
May import: colorizer and what is below it. Nothing of training or evaluation.
"""
