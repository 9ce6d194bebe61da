"""A picture file's pixels and all it carries.

Files import in this order: metadata, reading, writing, sheets.
May import: errors, quiet, color, files, metrics, config, run_folder. No TensorFlow.
"""
