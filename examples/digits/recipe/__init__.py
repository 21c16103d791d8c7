"""The training recipe of the digits example: data, augmentation, models, fusion."""
