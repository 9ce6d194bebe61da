"""A picture file's pixels and all it carries.

Files import in this order: formats, sources, containers, frame_counts, finding, ifd,
resolution, photoshop, xmp, texts, parts, metadata, inventory, profiles, bmp,
tiff_pages, reasons, decoding, animations, hues, reading, frames, embedding, encoding,
animating, tiff, writing, sheets.
May import: errors, quiet, color, files, side_by_side, metrics, config, run_folder. No
TensorFlow.
"""

MAX_MEGAPIXELS = 300  # a larger header is taken for a decompression bomb
# Pixels of a picture that several threads work on. To paint it so takes 0.9 of the time
# and 1.4 times the work, which smaller pictures, several at a time, would wait for.
LARGE = 48_000_000
