"""Folders of pictures, made ready to learn from and to be measured.

Files import in this order: augmentation, cache, embeddings, hints, splitting,
shards, preparing, loader.
May import: pictures and what is below it. Nothing of models: they are next door.
`augmentation` and `loader` need TensorFlow.
"""
