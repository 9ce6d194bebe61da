"""A page on one's own computer: what `colorize predict` does, without a terminal.

`guard` says who may ask. `app` answers over HTTP: which request is whose; `answering`
is what all answers have in common, and each of `visiting`, `adding`, `choosing`,
`showing` and `downloading` answers some. `parsing` is for what requests hold and
`zipping` for all copies at once; `photos` is one upload and `framing` which part of it
counts, `sessions` says whose it is and for how long, `keeping` what stays of it on
disk; `worker` colours photos, `films` films, as they come in a `queueing`; `preview` is
what the browser paints by itself, and `static/` is the page.
TensorFlow is imported by the worker's thread only, so the page is there at once.

Files import in this order: guard, parsing, preview, framing, photos, keeping, sessions,
queueing, films, worker, zipping, answering, visiting, adding, choosing, showing,
downloading, app.
May import: all but cli.
"""
