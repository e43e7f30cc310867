import chainrule as cr

model = cr.Sequential(
    [
        cr.Input((8, 8, 1), name="x"),
        cr.Conv2D(4, 3, padding="same", activation="relu"),
        cr.MaxPooling2D(2),
        cr.Conv2D(6, 3, use_bias=False),
        cr.BatchNormalization(),
        cr.Activation("relu"),
        cr.GlobalAveragePooling2D(),
        cr.Dense(3),
    ]
)
model.compile(loss="sparse_categorical_crossentropy_from_logits", optimizer=cr.SGD(0.1))
