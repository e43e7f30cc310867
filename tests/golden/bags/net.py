"""Bags of labels, of which a step updates the rows that it reads."""

import chainrule as cr

model = cr.Sequential([
    cr.Input((6,), dtype="int32"),
    cr.EmbeddingBag(1000, 4, sparse=True),
    cr.Dense(3),
])
model.compile(loss="sparse_categorical_crossentropy_from_logits", optimizer="adam")
