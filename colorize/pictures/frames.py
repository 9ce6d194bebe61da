"""Where the photos are on a page of an album."""

import numpy as np

from colorize.pictures.reading import Box

_SIDE = 400  # pixels of the longer side: the page is looked at so small
_RIM = 0.015  # of a side: what is taken for the page itself
_LEAST_CONTRAST = 9.0  # levels beside the page's own
_LEAST_SIDE = 0.08  # of the page's side, of a photo
_LEAST_FILLED = 0.7  # of its box
_WHOLE = 0.9  # of the page: such a photo is the page


def photos_of(levels: np.ndarray) -> list[Box]:
    """Return the boxes of photos that lie apart on a page of one lightness.

    Args:
        levels: (h, w) grey, of any depth, as small as some hundred pixels a side.

    Returns:
        From the upper left, row by row; none where there are no photos apart.
    """
    # Where there is one album among a thousand photos, the others need not wait for it.
    from skimage import filters, measure
    from skimage.morphology import isotropic_closing, isotropic_opening

    step = max(1, max(levels.shape) // _SIDE)
    plane = levels[::step, ::step].astype(np.float32)
    plane *= 255 / np.iinfo(levels.dtype).max
    plane = filters.median(plane)
    height, width = plane.shape
    rim = max(2, round(_RIM * max(height, width)))
    edge = np.ones(plane.shape, bool)
    edge[rim:-rim, rim:-rim] = False
    page = np.median(plane[edge])
    noise = 1.4826 * np.median(np.abs(plane[edge] - page))
    apart = np.abs(plane - page) > max(_LEAST_CONTRAST, 4 * noise)
    # Joined over light places within a photo, parted where it touches dust or a line.
    apart = isotropic_closing(np.pad(apart, 4), 1)[4:-4, 4:-4]
    around = measure.label(~apart, connectivity=1)  # what reaches the edge is no hole
    apart = ~np.isin(around, np.setdiff1d(around[edge], 0))
    apart = isotropic_opening(apart, 3)
    boxes = []
    for region in measure.regionprops(measure.label(apart)):
        top, left, bottom, right = region.bbox
        if bottom - top < _LEAST_SIDE * height or right - left < _LEAST_SIDE * width:
            continue
        large = region.area_bbox >= _WHOLE * height * width
        if region.extent >= _LEAST_FILLED and not large:
            boxes.append((left / width, top / height, right / width, bottom / height))
    return _in_rows(boxes)


def _in_rows(boxes: list[Box]) -> list[Box]:
    """Return boxes as they are read: those that begin above another's middle first."""
    rest = sorted(boxes, key=lambda box: box[1])
    ordered: list[Box] = []
    while rest:
        middle = (rest[0][1] + rest[0][3]) / 2
        row = [box for box in rest if box[1] < middle]
        ordered += sorted(row)
        rest = [box for box in rest if box not in row]
    return ordered
