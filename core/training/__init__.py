"""LoRA training: recipe, dataset, loop, checkpoints, previews."""
