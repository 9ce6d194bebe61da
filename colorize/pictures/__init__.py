"""A picture file's pixels and all it carries.

Files import in this order: formats, sources, containers, frame_counts, finding, ifd,
resolution, photoshop, xmp, texts, parts, metadata, inventory, profiles, bmp,
tiff_pages, reasons, decoding, animations, hues, reading, frames, embedding, encoding,
animating, tiff, writing, sheets.
May import: errors, quiet, color, files, side_by_side, metrics, config, run_folder. No
TensorFlow.
"""

MAX_MEGAPIXELS = 300  # a larger header is taken for a decompression bomb
