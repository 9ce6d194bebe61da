"""Folders of pictures, made ready to learn from and to be measured.

Files import in this order: augmentation, cache, embeddings, hints,
preparing, loader.
May import: pictures and what is below it. Nothing of models: they are next door.
`cache`, `embeddings` and `preparing` need no TensorFlow.
"""
